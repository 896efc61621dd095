#!/usr/bin/env bash
# Setting one parameter by `dvc exp run -S` changes what others mean to a stage that reads the file
# with PyYAML.
#
# Versions: dvc 3.67.1, PyYAML 6.0.3, Python 3.11.
#
# Expected: `-S train.learning_rate=0.00005` gives the stage that number, and leaves the meaning of
# every other value as it was.
#
# Behaviour: DVC parses params.yaml as YAML 1.2 and writes all of it again, without the quotes that
# 1.2 does not need. PyYAML, which stages in Python commonly read it with, follows YAML 1.1: an answer
# "No" is then a boolean, a time "12:30" is 750 (a number to base 60), and the learning rate, which
# DVC writes as 5e-05, is a text.
#
# Output seen:
#   before: {'answer': 'No', 'at': '12:30', 'learning_rate': 0.001}
#   after:  {'answer': False, 'at': 750, 'learning_rate': '5e-05'}
#
# Exit code 0: as described; 1: it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check dvc==3.67.1 PyYAML==6.0.3
export PATH=$folder/venv/bin:$PATH DVC_NO_ANALYTICS=1

mkdir project
cd project
git init --quiet
git config user.name finding
git config user.email finding@example.org
dvc init --quiet
cat >params.yaml <<'YAML'
train:
  answer: "No"
  at: "12:30"
  learning_rate: 0.001
YAML
cat >dvc.yaml <<'YAML'
stages:
  train:
    cmd: python ../show.py > seen.txt
    params: [train]
    outs: [seen.txt]
YAML
echo 'import yaml; print(yaml.safe_load(open("params.yaml"))["train"])' >../show.py
printf '/seen.txt\n' >.gitignore
git add --all
git commit --quiet --message "Start"

before=$(python ../show.py)
# In the work tree, so that the stage's own reading of the file is what is shown.
dvc exp run --quiet --set-param train.learning_rate=0.00005
after=$(cat seen.txt)
echo "before: $before"
echo "after:  $after"
[[ $before == "{'answer': 'No', 'at': '12:30', 'learning_rate': 0.001}" ]]
[[ $after == "{'answer': False, 'at': 750, 'learning_rate': '5e-05'}" ]]
