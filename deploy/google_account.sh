#!/usr/bin/env bash
# Make the bucket, the image repository, and the account that Batch, Cloud Run and Vertex AI run as;
# keep the hub's token in Secret Manager. (For GKE: gke/setup.sh, gke/secrets.sh.)
#
#     deploy/google_account.sh [--dry-run]
#
# It has no key file: the services let a job be this account. The token comes from HF_TOKEN in the
# environment (set -a; . ./.env; set +a), and goes into the command by a pipe. May be started again:
# what exists is left alone, the token as well.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET
[[ $dry_run || ${HF_TOKEN:-} ]] || die "HF_TOKEN is not set: set -a; . ./.env; set +a"

account=verdict@$PROJECT.iam.gserviceaccount.com
member=serviceAccount:$account
run gcloud services enable --project "$PROJECT" batch.googleapis.com run.googleapis.com \
  aiplatform.googleapis.com secretmanager.googleapis.com artifactregistry.googleapis.com \
  storage.googleapis.com
make_storage
exists gcloud iam service-accounts describe "$account" --project "$PROJECT" ||
  run gcloud iam service-accounts create verdict --project "$PROJECT"
for role in roles/storage.objectUser roles/storage.legacyBucketReader; do
  run gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$member" --role "$role"
done
run gcloud artifacts repositories add-iam-policy-binding verdict --project "$PROJECT" \
  --location "$REGION" --member "$member" --role roles/artifactregistry.reader
for role in roles/batch.agentReporter roles/logging.logWriter; do
  run gcloud projects add-iam-policy-binding "$PROJECT" --member "$member" --role "$role" \
    --condition None
done
exists gcloud secrets describe hf-token --project "$PROJECT" ||
  run gcloud secrets create hf-token --project "$PROJECT"
# The jobs name version 1.
if exists gcloud secrets versions describe 1 --secret hf-token --project "$PROJECT"; then
  echo "The secret hf-token exists, and keeps its token. For another one, delete it first."
else
  printf %s "${HF_TOKEN:-}" |
    run gcloud secrets versions add hf-token --project "$PROJECT" --data-file=-
fi
run gcloud secrets add-iam-policy-binding hf-token --project "$PROJECT" --member "$member" \
  --role roles/secretmanager.secretAccessor
