#!/usr/bin/env bash
# `dvc repro --pull --allow-missing` does not pull the files of a folder that a stage depends on, where
# other stages make them one by one: in a clone the stage runs on an empty folder.
#
# Versions: dvc 3.67.1, Python 3.11.
#
# Expected: in a clone without data, after an edit of the last stage, the outputs that lie in the folder
# are pulled, as a dependency that is itself an output is, and the stage runs on them. (The graph has
# the connection: the stages that make the files come before it.)
#
# Behaviour: the stages that make the files are skipped, since missing data is allowed, and nothing is
# pulled: the clone has the folder, for the .gitignore that DVC wrote there. The stage runs, succeeds,
# and its result of nothing stands in dvc.lock. Without `--allow-missing` the files are pulled.
#
# Output seen:
#   with --allow-missing: 0 files
#   without: 1 files
#
# Exit code 0: as described; 1: it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$folder/venv/bin:$PATH DVC_NO_ANALYTICS=1

git init --quiet original
cd original
dvc init --quiet
dvc remote add --quiet --default store ../store
cat >dvc.yaml <<'YAML'
stages:
  predict:
    cmd: mkdir -p predictions && echo 1 > predictions/base
    outs: [predictions/base]
  compare:
    cmd: ls predictions | wc -l > compared
    deps: [predictions]
    outs: [compared]
YAML
dvc repro --quiet
dvc push --quiet
git add --all
git -c user.name=a -c user.email=a@example.org commit --quiet --message "All is made"
cd ..
git clone --quiet original clone
cd clone

try() {
  git checkout --quiet dvc.yaml dvc.lock
  sed -i 's/wc -l/wc --lines/' dvc.yaml
  dvc repro --quiet --pull "$@"
  cat compared
}
with=$(try --allow-missing)
echo "with --allow-missing: $with files"
without=$(try)
echo "without: $without files"
[[ $with == 0 && $without == 1 ]]
