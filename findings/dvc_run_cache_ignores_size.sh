#!/usr/bin/env bash
# A changed parameter named `size` gives the outputs of the old value, where a stage depends on the
# section that it stands in.
#
# Versions: dvc 3.67.1, Python 3.11.
#
# Expected: after `image.size` was changed in params.yaml, `dvc repro` runs the stage, which lists the
# section `image`, and writes the new size.
#
# Behaviour: `dvc status` sees the change, but `dvc repro` takes the stage from the run cache and
# brings the old output back; dvc.lock then has the old output beside the new value, and everything
# counts as up to date. The key of the run cache leaves out every `size` and `nfiles` at any depth of
# the stage's entry, since those of files are no part of what decides; so it leaves out parameters of
# that name, too. A parameter with another name, or listed by itself (`image.size`), is seen.
#
# Output seen:
#   size 64: 64
#   Stage 'resize' is cached - skipping run, checking out outputs
#   size 32: 64
#   side 16: 16
#
# Exit code 0: as described; 1: it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH=$folder/venv/bin:$PATH DVC_NO_ANALYTICS=1

mkdir project
cd project
git init --quiet
dvc init --quiet
echo raw >raw.txt
cat >dvc.yaml <<'YAML'
stages:
  resize:
    cmd: sed -n 's/^  s[a-z]*. //p' params.yaml > resized.txt
    deps: [raw.txt]
    params: [image]
    outs: [resized.txt]
YAML

write() { printf 'image:\n  %s: %s\n' "$1" "$2" >params.yaml; }
write size 64
dvc repro --quiet
first=$(cat resized.txt)
echo "size 64: $first"
write size 32
[[ $(dvc status) == *modified:*image* ]]
dvc repro | grep cached
second=$(cat resized.txt)
echo "size 32: $second"
write side 64
dvc repro --quiet
write side 16
dvc repro --quiet
third=$(cat resized.txt)
echo "side 16: $third"
[[ $first == 64 && $second == 64 && $third == 16 ]]
