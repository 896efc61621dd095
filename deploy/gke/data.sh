#!/usr/bin/env bash
# Copy a recipe's published files into the bucket with Storage Transfer Service: no machine of yours
# in between, and the 23 GB of melanoma are never downloaded twice.
#
#     deploy/gke/data.sh RECIPE [--dry-run]
#
# Needs the project's environment (. .venv/bin/activate). Not for files of Kaggle or of the hub, which no
# service copies: a run fetches them with the tokens that it has, and keeps them in the bucket.
#
# The service reads the list of addresses from a place that everybody can read; that place is a
# second bucket, BUCKET-lists, which holds nothing else.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
((${#arguments[@]} == 1)) || die "name one recipe, such as melanoma"
need PROJECT REGION BUCKET
recipe=${arguments[0]}

require gcloud python
cd "$here/.."
# A recipe's files are those of its data set, unless it names others itself.
task=$(sed -n 's/^task: *//p' "recipes/$recipe.yaml" 2>/dev/null || true)
if grep -qsE '^ *address: *(kaggle|hf|pypi)://' "recipes/$recipe.yaml" "recipes/tasks/$task.yaml"; then
  die "the files of $recipe are on Kaggle, on the hub or in packages, and need no copying: the first \
run fetches them, with the tokens of .env, and its dvc push keeps them in gs://$BUCKET/dvc"
fi
[[ $dry_run ]] || python -c 'import tools.transfer_list' 2>/dev/null ||
  die "the project's environment is not active: . .venv/bin/activate"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
list=$folder/$recipe.tsv
run python -m tools.transfer_list --recipe "$recipe" --out "$list"

run gcloud services enable --project "$PROJECT" storagetransfer.googleapis.com
# Only so that the service's own account is made: --add-missing would make you an owner of the
# project, and that account an administrator of all buckets.
run gcloud transfer authorize --project "$PROJECT"
service=serviceAccount:project-$(project_number)@storage-transfer-service.iam.gserviceaccount.com
for role in roles/storage.objectUser roles/storage.legacyBucketReader; do
  insist gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --member "$service" --role "$role"
done
exists gcloud storage buckets describe "gs://$BUCKET-lists" ||
  run gcloud storage buckets create "gs://$BUCKET-lists" --project "$PROJECT" --location "$REGION" \
    --uniform-bucket-level-access
run gcloud storage buckets add-iam-policy-binding "gs://$BUCKET-lists" --member allUsers \
  --role roles/storage.objectViewer
run gcloud storage cp "$list" "gs://$BUCKET-lists/$recipe.tsv"
# Started again, it copies what is missing.
if exists gcloud transfer jobs describe "verdict-$recipe" --project "$PROJECT"; then
  run gcloud transfer jobs run "verdict-$recipe" --project "$PROJECT"
else
  run gcloud transfer jobs create "https://storage.googleapis.com/$BUCKET-lists/$recipe.tsv" \
    "gs://$BUCKET" --project "$PROJECT" --name "verdict-$recipe"
fi
echo "Follow it with: gcloud transfer jobs list --project $PROJECT"
echo "Then write the new addresses into fetch.files: https://HOST/PATH is gs://$BUCKET/HOST/PATH."
