#!/usr/bin/env bash
# Run once as a Vertex AI custom job.
#
#     deploy/vertex/submit.sh [--dry-run]       with --dry-run: print the job
#
# First: deploy/google_account.sh. A custom job has no secret variables, and a token does not belong
# into its description, so it gets nothing of .env: fetch gated models elsewhere (`dvc repro fetch
# fetch_model && dvc push`, no GPU needed), and commit dvc.lock; the job then pulls them from the
# bucket. MLflow's runs come home as mlflow.db.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET IMAGE COMMIT
require gcloud

job=$(render "$here/vertex/job.yaml")
if [[ $dry_run ]]; then
  echo "$job"
  exit
fi
file=$(mktemp --suffix .yaml)
trap 'rm -f "$file"' EXIT
echo "$job" >"$file"
gcloud ai custom-jobs create --project "$PROJECT" --region "$REGION" \
  --display-name "verdict-${COMMIT:0:12}" --config "$file"
