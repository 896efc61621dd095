#!/usr/bin/env bash
# Build an image with neither a daemon nor a registry of images, on Debian, as root:
#
#   apt-get install buildah debootstrap
#   deploy/container/build_without_daemon.sh [TARGET] [more options of buildah bud]
#
# The base is made of Debian's packages, in the place of python:3.11-slim-bookworm. pip in the build
# asks where this machine's pip asks: its settings, and the local paths that they name, are lent to
# the build and do not enter the image.
set -euo pipefail

target=${1:-verdict}
shift || true
cd "$(dirname "$0")/../.."
base=localhost/python-of-debian:bookworm
work=$(mktemp -d)
# debootstrap mounts /proc, and leaves it when it is killed.
trap 'rm -rf --one-file-system "$work"' EXIT

if ! buildah inspect --type image "$base" >"$work/inspect" 2>&1; then
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    bookworm "$work/root"
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/root" /
  buildah config --env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$container"
  buildah commit --quiet --rm "$container" "$base"
fi

lent=()
while read -r path; do
  lent+=(--volume "$path:$path:ro")
done < <(python3 deploy/container/pip_settings.py "$work/pip.conf")

buildah bud --isolation chroot --layers --target "$target" \
  --build-arg "BASE_IMAGE=$base" --build-arg "REVISION=$(git rev-parse HEAD)" \
  --secret "id=pip,src=$work/pip.conf" "${lent[@]}" "$@" --tag "localhost/verdict:$target" .
