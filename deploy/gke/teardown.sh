#!/usr/bin/env bash
# Remove what costs money: the cluster with its disks; with --bucket also the bucket with all data,
# models and results.
#
#     deploy/gke/teardown.sh --yes [--bucket] [--dry-run]
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET CLUSTER
[[ " ${arguments[*]} " == *" --yes "* ]] || die "this deletes things; say --yes"

# The namespace first: with it go the volumes, whose disks would outlive the cluster.
run gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --location "$REGION"
run kubectl delete namespace verdict --ignore-not-found --wait
run gcloud container clusters delete "$CLUSTER" --project "$PROJECT" --location "$REGION" --quiet
if [[ " ${arguments[*]} " == *" --bucket "* ]]; then
  run gcloud storage rm "gs://$BUCKET" --recursive
fi
echo "Left: the image repository, and the bucket unless --bucket was given. Look for disks:"
echo "gcloud compute disks list --project $PROJECT"
