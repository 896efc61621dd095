#!/usr/bin/env bash
# Remove what costs money: the cluster with its disks; with --bucket also the bucket with all data,
# models and results, and the one with the lists of addresses.
#
#     deploy/gke/teardown.sh --yes [--bucket] [--dry-run]
#
# May be started again: what is gone already is passed over.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET CLUSTER
[[ " ${arguments[*]} " == *" --yes "* ]] || die "this deletes things; say --yes"

# still COMMAND …: is it there to be removed? With --dry-run everything is.
still() {
  [[ $dry_run ]] || exists "$@"
}

if still gcloud container clusters describe "$CLUSTER" --project "$PROJECT" --location "$REGION"; then
  # The volumes first, and until they are gone: their disks would outlive the cluster.
  run gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --location "$REGION"
  run kubectl delete namespace verdict --ignore-not-found --wait
  run kubectl wait --for delete persistentvolume --all --timeout 15m
  run gcloud container clusters delete "$CLUSTER" --project "$PROJECT" --location "$REGION" --quiet
fi
if [[ " ${arguments[*]} " == *" --bucket "* ]]; then
  for bucket in "$BUCKET" "$BUCKET-lists"; do
    if still gcloud storage buckets describe "gs://$bucket"; then
      run gcloud storage rm "gs://$bucket" --recursive
    fi
  done
fi
cat <<END
Left, and paid for by the GB: the images, and the buckets unless --bucket was given (deleted objects
for the days of the bucket's soft-delete policy). Look for those, and for disks that were left:
gcloud artifacts repositories delete verdict --project $PROJECT --location $REGION
gcloud storage buckets list --project $PROJECT
gcloud compute disks list --project $PROJECT
gcloud filestore instances list --project $PROJECT
END
