#!/usr/bin/env bash
# Run once as a Cloud Run job: nothing to keep, nothing to clean up; one hour at most, and what is
# written counts as memory. For the small recipes and the laptop-sized ones.
#
#     deploy/cloud_run/submit.sh [--dry-run]       with --dry-run: print the job
#
# First: deploy/google_account.sh.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET IMAGE COMMIT
require gcloud

SECRETS=$(secrets_as '{name: %s, valueFrom: {secretKeyRef: {name: %s, key: "1"}}}')
export SECRETS
job=$(render "$here/cloud_run/job.yaml")
if [[ $dry_run ]]; then
  echo "$job"
  exit
fi
gcloud run jobs replace - --project "$PROJECT" --region "$REGION" <<<"$job"
gcloud run jobs execute verdict --project "$PROJECT" --region "$REGION"
