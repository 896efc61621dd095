# shellcheck shell=bash
# What the launchers share. Sourced.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
set -a
# shellcheck source=deploy/settings.env
. "$here/settings.env"
set +a
dry_run=''

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Take --dry-run and --help out of the arguments; $arguments keeps the others.
read_arguments() {
  arguments=()
  local argument
  for argument; do
    case $argument in
      --dry-run) dry_run=yes ;;
      -h | --help)
        sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"
        exit
        ;;
      *) arguments+=("$argument") ;;
    esac
  done
}

# Stop if a setting is still as it was delivered. A dry run shows what would be done all the same.
need() {
  [[ ! $dry_run ]] || return 0
  local name
  for name; do
    case ${!name:-} in
      '' | *my-project* | *000000000000*)
        die "deploy/settings.env: $name is '${!name:-}'; fill it in first" ;;
    esac
  done
}

# Stop if a program is not here. A dry run needs none.
require() {
  [[ ! $dry_run ]] || return 0
  local program
  for program; do
    command -v "$program" >/dev/null ||
      die "$program is not installed; deploy/README.md says what is needed"
  done
}

# Run a command, or with --dry-run print it.
run() {
  if [[ $dry_run ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

# exists COMMAND …: does what it describes exist? With --dry-run nothing does.
exists() {
  [[ ! $dry_run ]] && "$@" >/dev/null 2>&1
}

# As run, but tried again: an account that was just made is not known everywhere at once.
insist() {
  local pause
  for pause in 5 10 20; do
    run "$@" && return
    sleep "$pause"
  done
  run "$@"
}

# The bucket, and the repository that the image lies in.
make_storage() {
  exists gcloud storage buckets describe "gs://$BUCKET" ||
    run gcloud storage buckets create "gs://$BUCKET" --project "$PROJECT" --location "$REGION" \
      --uniform-bucket-level-access --public-access-prevention
  exists gcloud artifacts repositories describe verdict --project "$PROJECT" --location "$REGION" ||
    run gcloud artifacts repositories create verdict --project "$PROJECT" --location "$REGION" \
      --repository-format docker
}

project_number() {
  if [[ $dry_run ]]; then
    echo PROJECT_NUMBER
  else
    gcloud projects describe "$PROJECT" --format 'value(projectNumber)'
  fi
}

# Always the cluster of settings.env, whichever one kubectl was used with last.
kubectl() {
  command kubectl --context "gke_${PROJECT}_${REGION}_$CLUSTER" "$@"
}

# What of .env a run can use, and Secret Manager keeps for Batch.
# shellcheck disable=SC2034  # the scripts of batch/ read it
in_env=(HF_TOKEN KAGGLE_API_TOKEN KAGGLE_USERNAME KAGGLE_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD WANDB_API_KEY)

secret_of() {
  local name=${1,,}
  echo "verdict-${name//_/-}"
}
