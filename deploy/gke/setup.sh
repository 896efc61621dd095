#!/usr/bin/env bash
# Make the cluster, the bucket and the image repository, and let the pods use the bucket.
#
#     deploy/gke/setup.sh [--dry-run]
#
# May be started again: what exists is left alone. Needs gcloud, logged in, kubectl, and the plugin by
# which kubectl logs in (gcloud components install gke-gcloud-auth-plugin). Costs: an Autopilot cluster
# has a fee by the hour (one a billing account is free of it), pods cost while they run, disks until they
# are deleted: deploy/gke/teardown.sh.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET CLUSTER
require gcloud kubectl gke-gcloud-auth-plugin
# What the next steps need is better told before the cluster costs; another machine may have it.
docker buildx version >/dev/null 2>&1 ||
  echo "Not here: Docker with BuildKit (docker buildx), which gke/image.sh needs."
python -c 'import pydantic' 2>/dev/null ||
  echo "Not here: the project's environment (. .venv/bin/activate), which gke/data.sh needs."

run gcloud services enable --project "$PROJECT" container.googleapis.com \
  artifactregistry.googleapis.com storage.googleapis.com file.googleapis.com

exists gcloud container clusters describe "$CLUSTER" --project "$PROJECT" --location "$REGION" ||
  run gcloud container clusters create-auto "$CLUSTER" --project "$PROJECT" \
    --location "$REGION" --release-channel regular
run gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --location "$REGION"

make_storage

number=$(project_number)
# Workload Identity: the pods' own account (namespace verdict, account verdict); no key, and no other
# service account in between.
pods=principal://iam.googleapis.com/projects/$number/locations/global
pods+=/workloadIdentityPools/$PROJECT.svc.id.goog/subject/ns/verdict/sa/verdict
for role in roles/storage.objectUser roles/storage.legacyBucketReader; do
  insist gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$pods" --role "$role"
done
# The nodes pull the image, and write logs.
nodes=serviceAccount:$number-compute@developer.gserviceaccount.com
insist gcloud artifacts repositories add-iam-policy-binding verdict --project "$PROJECT" \
  --location "$REGION" --member "$nodes" --role roles/artifactregistry.reader
insist gcloud projects add-iam-policy-binding "$PROJECT" --member "$nodes" \
  --role roles/container.defaultNodeServiceAccount --condition None
