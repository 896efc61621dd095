#!/usr/bin/env bash
# Build the image of the last commit, push it to Artifact Registry, and print what to write into
# deploy/settings.env: IMAGE by its digest, and COMMIT.
#
#     deploy/gke/image.sh [--dry-run]
#     EXTRAS='ray gpu' deploy/gke/image.sh      with requirements-ray.txt, requirements-gpu.txt as well
#
# Needs Docker with BuildKit.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION
require gcloud docker
[[ $dry_run ]] || docker buildx version >/dev/null ||
  die "Docker has no BuildKit here, which the image needs: install docker-buildx"

cd "$here/.."
commit=$(git rev-parse HEAD)
tag=$REGION-docker.pkg.dev/$PROJECT/verdict/verdict:${commit:0:12}
run gcloud auth configure-docker "$REGION-docker.pkg.dev" --quiet
# For the clouds' machines, whatever this one is, and their drivers.
run docker build --platform linux/amd64 --secret id=pip,src=deploy/container/cuda12.conf \
  --build-arg "REVISION=$commit" --build-arg "EXTRAS=${EXTRAS:-}" --tag "$tag" .
run docker push "$tag"
[[ $dry_run ]] || echo "IMAGE=$(docker inspect --format '{{index .RepoDigests 0}}' "$tag")"
echo "COMMIT=$commit"
