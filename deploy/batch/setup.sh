#!/usr/bin/env bash
# Make the bucket, the image repository, and the account that the jobs run as; keep in Secret Manager
# what .env holds for a run.
#
#     set -a; . ./.env; set +a
#     deploy/batch/setup.sh [--dry-run]
#
# It has no key file: Batch lets a job be this account. Tokens come from the environment, and go
# into the commands by a pipe; without any, open models and data are at hand. May be started again:
# what exists is left alone, tokens as well.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET
require gcloud

account=verdict@$PROJECT.iam.gserviceaccount.com
member=serviceAccount:$account
run gcloud services enable --project "$PROJECT" batch.googleapis.com \
  secretmanager.googleapis.com artifactregistry.googleapis.com storage.googleapis.com \
  compute.googleapis.com iam.googleapis.com logging.googleapis.com
make_storage
exists gcloud iam service-accounts describe "$account" --project "$PROJECT" ||
  run gcloud iam service-accounts create verdict --project "$PROJECT"
for role in roles/storage.objectUser roles/storage.legacyBucketReader; do
  insist gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$member" --role "$role"
done
insist gcloud artifacts repositories add-iam-policy-binding verdict --project "$PROJECT" \
  --location "$REGION" --member "$member" --role roles/artifactregistry.reader
for role in roles/batch.agentReporter roles/logging.logWriter; do
  insist gcloud projects add-iam-policy-binding "$PROJECT" --member "$member" --role "$role" \
    --condition None
done

keep() {
  local secret
  secret=$(secret_of "$1")
  exists gcloud secrets describe "$secret" --project "$PROJECT" ||
    run gcloud secrets create "$secret" --project "$PROJECT"
  # The jobs name version 1.
  if exists gcloud secrets versions describe 1 --secret "$secret" --project "$PROJECT"; then
    echo "The secret $secret exists, and keeps its value. For another one, delete it first."
  else
    run gcloud secrets versions add "$secret" --project "$PROJECT" --data-file=- \
      < <(printf %s "${!1}")
  fi
  insist gcloud secrets add-iam-policy-binding "$secret" --project "$PROJECT" --member "$member" \
    --role roles/secretmanager.secretAccessor
}

kept=''
for name in "${in_env[@]}"; do
  [[ ${!name:-} ]] || continue
  keep "$name"
  kept=yes
done
[[ $kept ]] || echo "No token is set here, and none was added. Those of .env: set -a; . ./.env; set +a"
