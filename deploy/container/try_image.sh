#!/usr/bin/env bash
# Build the image with its tests, among secrets that must not enter it, and try what it must be able
# to do: as a random user, with a read-only root, without capabilities and without a network. Twenty
# minutes on two cores; as root, with buildah, debootstrap and iproute2.
#
#   deploy/container/try_image.sh
set -euo pipefail

cd "$(dirname "$0")/../.."
image=localhost/verdict:test
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
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

# Prints the layers of an image, and its configuration with its history, in which a secret stands.
# `oci:` would compress them, whatever is asked of it, and nothing would be found.
leaks() {
  rm -rf "$work/layers"
  buildah push --disable-compression "$1" "dir:$work/layers" >"$work/push.log" 2>&1 \
    || { cat "$work/push.log"; return 1; }
  grep --recursive --files-with-matches --fixed-strings --file="$work/secrets" "$work/layers" \
    || [ $? -eq 1 ]
}

# Secrets wherever who builds may have one: in the environment, in the address of a package index
# (this one has no packages), in git's and DVC's own settings, and in files beside the commit.
python3 -c 'from testing.secrets import SECRETS
for name, value in SECRETS.items(): print(f"{name}={value}")' >"$work/environment"
mapfile -t environment <"$work/environment"
cut --delimiter== --fields=2- "$work/environment" >"$work/secrets"
token=$(head -n 1 "$work/secrets")
mkdir "$work/index"
python3 -u -m http.server --bind 127.0.0.1 --directory "$work/index" 0 >"$work/index.log" 2>&1 &
server=$!
until port=$(sed -nE 's/.* port ([0-9]+) .*/\1/p' "$work/index.log" | grep .); do
  kill -0 "$server"
  sleep 0.2
done
indexes=$(python3 -m pip config get global.extra-index-url 2>"$work/none" || true)
indexes=${PIP_EXTRA_INDEX_URL:-$indexes}
git clone --quiet . "$work/source"
git -C "$work/source" remote set-url origin "https://user:$token@git.example/verdict.git"
printf "[core]\n    remote = gcs\n['remote \"gcs\"']\n    url = gs://verdict\n    token = %s\n" \
  "$token" >"$work/source/.dvc/config.local"
for name in .env .netrc key.pem data/raw/notes.txt; do
  mkdir -p "$(dirname "$work/source/$name")"
  cp "$work/environment" "$work/source/$name"
done

# Without what an earlier build has kept, which had other secrets around it.
measured build env "${environment[@]}" \
  PIP_EXTRA_INDEX_URL="$indexes http://user:$token@127.0.0.1:$port/simple" \
  "$work/source/deploy/container/build_without_daemon.sh" test --no-cache --build-arg EXTRAS=tools
kill "$server"
server=
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

# None of the secrets, though pip has used the one that it was given, nor in the build's output.
grep --quiet 'GET /simple/torch/' "$work/index.log"
if grep --fixed-strings --file="$work/secrets" "$work/build.log"; then
  echo "FAILED: the build's output shows a secret"
  exit 1
fi
measured secrets leaks "$image"
[ ! -s "$work/secrets.log" ] || {
  cat "$work/secrets.log"
  echo "FAILED: a secret is in these"
  exit 1
}
# The same search finds one in a file that a later layer covers, and one in the configuration.
mkdir "$work/planted"
cp "$work/secrets" "$work/planted/secrets"
echo covered >"$work/planted/covered"
printf 'FROM scratch\nCOPY secrets /file\nCOPY covered /file\nENV HF_TOKEN=%s\n' "$token" \
  >"$work/planted/Dockerfile"
planted=localhost/verdict:planted
buildah bud --quiet --isolation chroot --layers --tag "$planted" "$work/planted" \
  >"$work/planted.log"
leaks "$planted" >"$work/planted.log"
buildah rmi "$planted" >"$work/removed"
rm -rf "$work/layers"
[ "$(wc -l <"$work/planted.log")" -eq 2 ] || {
  cat "$work/planted.log"
  echo "FAILED: two planted secrets must be found, and these are"
  exit 1
}

# The committed default, from an empty folder: the same bytes as in the commit.
measured repro sealed "$work/repro" sh -c \
  'dvc repro && dvc status --quiet && git diff --exit-code && ! git status --short | grep .'
measured again sealed "$work/repro" dvc repro --pull --allow-missing
measured predict sealed "$work/repro" sh -c \
  'python -c "from PIL import Image; Image.new(\"RGB\", (64, 64)).save(\"/tmp/lesion.jpg\")"
   python -m tools.predict --image /tmp/lesion.jpg --json'
measured tests sealed "$work/tests" python -m pytest -p no:cacheprovider \
  --ignore=tests/models --ignore=tests/training --ignore=tests/tiny_models \
  --ignore=tests/benchmarks --ignore=tests/tracking --ignore=tests/pipeline
tail -n 1 "$work/tests.log"

# SIGTERM while it trains: a checkpoint within twelve seconds, and the same result after it. Without
# --force DVC would give back what it made before.
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
  'dvc repro --force --single-item train && git diff --exit-code dvc.lock'
grep 'resuming from' "$work/resume.log"
