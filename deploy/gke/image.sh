#!/usr/bin/env bash
# Build the image of the last commit, push it to Artifact Registry, and print what to write into
# deploy/settings.env: IMAGE by its digest, and COMMIT.
#
#     deploy/gke/image.sh [--dry-run]
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION

cd "$here/.."
commit=$(git rev-parse HEAD)
tag=$REGION-docker.pkg.dev/$PROJECT/verdict/verdict:${commit:0:12}
run gcloud auth configure-docker "$REGION-docker.pkg.dev" --quiet
# For the clouds' machines, whatever this one is, and their drivers.
run docker build --platform linux/amd64 --secret id=pip,src=deploy/container/cuda12.conf \
  --build-arg "REVISION=$commit" --tag "$tag" .
run docker push "$tag"
[[ $dry_run ]] || echo "IMAGE=$(docker inspect --format '{{index .RepoDigests 0}}' "$tag")"
echo "COMMIT=$commit"
