#!/usr/bin/env bash
# Run once as a Google Batch job: a machine with a GPU, made for this and deleted afterwards.
#
#     deploy/batch/submit.sh [--dry-run]       with --dry-run: print the job
#
# First: deploy/google_account.sh. The job names one GPU's devices and its driver where
# Container-Optimized OS (batch-cos) has them, so that no container is privileged. Not as Spot: the
# disk goes with the machine, and with it the checkpoints; deploy/gke has Spot.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET IMAGE COMMIT
require gcloud

SECRETS=$(secrets_as "\"%s\": \"projects/$PROJECT/secrets/%s/versions/1\"")
export SECRETS
job=$(render "$here/batch/job.json")
if [[ $dry_run ]]; then
  echo "$job"
  exit
fi
gcloud batch jobs submit "verdict-${COMMIT:0:12}-$(date +%s)" --project "$PROJECT" \
  --location "$REGION" --config=- <<<"$job"
