#!/usr/bin/env bash
# Run a command in an image as strictly as a cluster may, without a daemon, on Debian, as root:
#
#   apt-get install buildah iproute2
#   deploy/container/run_sealed.sh IMAGE FOLDER [COMMAND …]
#
# The user is a random number without a name, the root is read-only, there are no capabilities and
# none to gain. What can be written is FOLDER, as the image's working directory (/project), and /tmp,
# in memory. NETWORK=none takes the network away, too. SIGTERM goes to the first process.
set -euo pipefail

image=$1
folder=$2
shift 2
mkdir -p "$folder"
folder=$(realpath "$folder")
user=$((RANDOM + 100000))
work=$(mktemp -d)
container=$(buildah from "$image")
trap 'buildah rm "$container" >"$work/removed"; rm -rf --one-file-system "$work"' EXIT

config() {
  buildah inspect --type image --format "{{range .OCIv1.Config.$1}}{{println .}}{{end}}" "$image"
}
mapfile -t environment < <(config Env | grep .)
mapfile -t entry < <(config Entrypoint | grep .)
mapfile -t default < <(config Cmd | grep .)
[ $# -gt 0 ] || set -- "${default[@]}"
chown -R "$user:$user" "$folder"
place=$(buildah inspect --type image --format '{{.OCIv1.Config.WorkingDir}}' "$image")
mkdir "$work/root"

namespaces=(--mount --pid --ipc --uts --fork)
[ "${NETWORK:-}" != none ] || namespaces+=(--net)
unshare "${namespaces[@]}" "$(dirname "$0")/enter_sealed.sh" \
  "$(buildah mount "$container")" "$work/root" "$folder" "$place" "$user" \
  env -i "${environment[@]}" "${entry[@]}" "$@" &
outside=$!
trap 'pkill --signal TERM --parent "$outside"' TERM
# A signal interrupts `wait` before the container has ended.
while true; do
  code=0
  wait "$outside" || code=$?
  kill -0 "$outside" 2>"$work/gone" || exit "$code"
done
