#!/usr/bin/env bash
# Run once as a Google Batch job: a machine with a GPU, made for this and deleted afterwards.
#
#     deploy/batch/submit.sh [--dry-run]       with --dry-run: print the job
#
# First: deploy/batch/setup.sh. The job names one GPU's devices and its driver where
# Container-Optimized OS (batch-cos) has them, so that no container is privileged. Not as Spot: the
# disk goes with the machine, and with it the checkpoints; deploy/gke has Spot.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION BUCKET IMAGE COMMIT
require gcloud

# Every name that has a secret, as the job wants it. With --dry-run all have one.
secrets() {
  local name secret found='' comma=''
  [[ $dry_run ]] ||
    found=$(gcloud secrets list --project "$PROJECT" --format 'value(name.basename())') || exit
  for name in "${in_env[@]}"; do
    secret=$(secret_of "$name")
    [[ $dry_run || $'\n'$found$'\n' == *$'\n'$secret$'\n'* ]] || continue
    printf '%s"%s": "projects/%s/secrets/%s/versions/1"' "$comma" "$name" "$PROJECT" "$secret"
    comma=', '
  done
}

SECRETS=$(secrets)
export SECRETS
# The job with its ${NAMES} filled in from the settings; an unknown one is an error.
job=$(python3 -c 'import os, string, sys
print(string.Template(open(sys.argv[1], encoding="utf-8").read()).substitute(os.environ), end="")' \
  "$here/batch/job.json")
if [[ $dry_run ]]; then
  echo "$job"
  exit
fi
gcloud batch jobs submit "verdict-${COMMIT:0:12}-$(date +%s)" --project "$PROJECT" \
  --location "$REGION" --config=- <<<"$job"
