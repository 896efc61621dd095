#!/usr/bin/env bash
# Make the cluster, the bucket and the image repository, and let the pods use the bucket.
#
#     deploy/gke/setup.sh [--dry-run]
#
# May be started again: what exists is left alone. Needs gcloud, logged in, and kubectl. Costs: an
# Autopilot cluster has a fee by the hour (one a billing account is free of it), pods cost while they
# run, disks until they are deleted: deploy/gke/teardown.sh.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET CLUSTER

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
  run gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$pods" --role "$role"
done
# The nodes pull the image, and write logs.
nodes=serviceAccount:$number-compute@developer.gserviceaccount.com
run gcloud artifacts repositories add-iam-policy-binding verdict --project "$PROJECT" \
  --location "$REGION" --member "$nodes" --role roles/artifactregistry.reader
run gcloud projects add-iam-policy-binding "$PROJECT" --member "$nodes" \
  --role roles/container.defaultNodeServiceAccount --condition None
