#!/usr/bin/env bash
# Build the image with its tests, and try what it must be able to do: as a random user, with a
# read-only root, without capabilities and without a network. About half an hour on two cores; as
# root, with buildah and debootstrap.
#
#   deploy/container/try_image.sh
set -euo pipefail

cd "$(dirname "$0")/../.."
image=localhost/verdict:test
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export NETWORK=none

measured() {
  local name=$1 begin=$SECONDS
  shift
  "$@" >"$work/$name.log" 2>&1 || {
    cat "$work/$name.log"
    echo "FAILED: $name"
    exit 1
  }
  echo "$name: $((SECONDS - begin)) s"
}

sealed() {
  deploy/container/run_sealed.sh "$image" "$@"
}

measured build deploy/container/build_without_daemon.sh test --build-arg EXTRAS=tools
buildah images --format 'size: {{.Size}}' "$image"

# Nothing of this machine's pip settings, no weights and no .env lie in it.
python3 deploy/container/pip_settings.py "$work/pip.conf" >"$work/paths"
container=$(buildah from "$image")
root=$(buildah mount "$container")
find "$root/opt/verdict" -name '*.safetensors' -o -name '.env' -o -name 'config.local' \
  -o -size +5M >"$work/found"
[ ! -e "$root/etc/pip.conf" ] || cat "$root/etc/pip.conf" >>"$work/found"
buildah rm "$container" >"$work/removed"
[ ! -s "$work/found" ] || { cat "$work/found"; echo "FAILED: these are in the image"; exit 1; }

measured repro sealed "$work/repro" sh -c \
  'dvc repro && dvc status && git diff --exit-code dvc.lock && git status --short'
measured again sealed "$work/repro" dvc repro --pull --allow-missing
measured predict sealed "$work/repro" sh -c \
  'python -c "from PIL import Image; Image.new(\"RGB\", (64, 64)).save(\"/tmp/lesion.jpg\")"
   python -m tools.predict --image /tmp/lesion.jpg --json'
measured tests sealed "$work/tests" python -m pytest -p no:cacheprovider \
  --ignore=tests/models --ignore=tests/benchmarks --ignore=tests/tracking --ignore=tests/pipeline

# SIGTERM while it trains: a checkpoint within twelve seconds, and the same result after it.
deploy/container/run_sealed.sh "$image" "$work/repro" sh -c \
  'dvc repro --force --single-item train' >"$work/stopped.log" 2>&1 &
running=$!
until [ -n "$(find "$work/repro/.checkpoints" -name 'checkpoint-*' -print -quit)" ]; do
  kill -0 "$running"
  sleep 0.2
done
begin=$SECONDS
kill -TERM "$running"
wait "$running" && { echo "FAILED: SIGTERM did not stop it"; exit 1; }
echo "stopped: $((SECONDS - begin)) s"
[ $((SECONDS - begin)) -le 12 ]
grep 'train: stopped by SIGTERM' "$work/stopped.log"
measured resume sealed "$work/repro" sh -c \
  'dvc repro --single-item train && git diff --exit-code dvc.lock'
grep 'resuming from' "$work/resume.log"
