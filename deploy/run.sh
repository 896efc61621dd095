#!/usr/bin/env bash
# Run the pipeline at one commit, push what it made, and bring its results out. Every launcher in
# deploy/ starts this, and nothing else knows how a run is done.
#
#     deploy/run.sh                what `dvc repro` has to do
#     deploy/run.sh COMMAND …      another command in the same project, such as export.sh; what it
#                                  writes into the folder OUT is brought to RESULTS/RUN
#
# What it reads from the environment:
#     COMMIT      the commit to run, as 40 hexadecimal digits
#     REPOSITORY  where git fetches it from, if it is not in the project that this script lies in
#     WORKSPACE   a folder that outlives the machine, where one is wanted (default /workspace)
#     BUCKET      data and models go to gs://BUCKET/dvc, results to gs://BUCKET/results/RUN
#     REMOTE      another DVC remote than that; `committed` is the one in .dvc/config
#     RESULTS     another place for results; any address or folder that fsspec knows
#     RUN         the run's name (default: the commit's first 12 digits)
#     TARGETS     what to reproduce, such as `train` (default: everything)
#     PET_NODE_RANK  above 0: this machine only helps to train, for the one with rank 0
#
# Started again with the same WORKSPACE, it goes on where it was stopped; with another one, from what
# RESULTS/RUN holds. SIGTERM stops it: training saves a checkpoint first. Exit codes: 0 done, 143
# stopped, 78 the environment is wrong (it would be next time, too), others: what failed. What stages
# have done before a failure is brought out as well, with unfinished.bundle: the machine may end with
# the run.
set -euo pipefail

child='' stopped='' told=' '

main() {
  check_environment "$@"
  own=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  project=$WORKSPACE/project
  export OUT=$WORKSPACE/out/$RUN
  mkdir -p "$project" "$OUT"
  cd "$project"
  trap stop TERM INT
  # Where GKE and Batch put NVIDIA's driver; no image knows of it.
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64
  # gcsfs would ask what kind of bucket it is, which needs more rights than reading and writing do.
  export GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=${GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT:-false}
  if ((${PET_NODE_RANK:-0} > 0)); then
    run python -m stages.train
    return
  fi
  take_the_workspace
  take_the_commit
  take_the_remote
  check_the_places
  take_the_results
  local failed=0
  if (($#)); then
    run "$@"
  else
    local targets
    read -ra targets <<<"${TARGETS:-}"
    # compare reads a folder of outputs that is none itself, which DVC would not pull; an empty one,
    # such as a pull leaves of what is nowhere, would be other predictions.
    run dvc pull --allow-missing evaluate || true
    [[ ! -d data/predictions ]] || find data/predictions -type d -empty -delete
    run dvc repro --pull --allow-missing "${targets[@]}" || failed=$?
    write_the_bundle
    # The bundle comes last: it never names data that are not in the remote.
    run dvc push
    keep_the_runs
  fi
  places bring "$OUT" "$RESULTS/$RUN"
  # The next run in this workspace would bring it all again.
  rm -rf "$OUT"
  if ((failed)); then
    echo "run: $RUN failed; what was done before is in $RESULTS/$RUN/unfinished.bundle" >&2
    exit "$failed"
  fi
  echo "run: $RUN is done; results are in $RESULTS/$RUN"
}

check_environment() {
  : "${WORKSPACE:=/workspace}" "${REPOSITORY:=}"
  # Set and empty, as in .env.example, would mean another thing than not set.
  local name
  for name in HF_TOKEN KAGGLE_API_TOKEN KAGGLE_USERNAME KAGGLE_KEY GOOGLE_APPLICATION_CREDENTIALS \
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME \
    MLFLOW_TRACKING_PASSWORD WANDB_API_KEY; do
    [[ ${!name:-} ]] || unset "$name"
  done
  if [[ ! ${COMMIT:-} =~ ^[0-9a-f]{40}$ ]]; then
    wrong "COMMIT is '${COMMIT:-}', where a commit's 40 hexadecimal digits are needed: git rev-parse HEAD"
  fi
  : "${REMOTE:=${BUCKET:+gs://$BUCKET/dvc}}" "${RESULTS:=${BUCKET:+gs://$BUCKET/results}}"
  [[ $REMOTE ]] || wrong "There is no BUCKET and no REMOTE: what the run makes would be lost."
  [[ $RESULTS ]] || wrong "There is no BUCKET and no RESULTS: the metrics would be lost."
  RUN=${RUN:-${COMMIT:0:12}}
  [[ $RUN =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
    wrong "RUN is '$RUN'; letters, digits, '.', '_' and '-' are allowed."
  [[ -d $WORKSPACE && -w $WORKSPACE ]] ||
    wrong "WORKSPACE is $WORKSPACE, which is no folder that user $(id -u) can write."
}

wrong() {
  echo "run: $1" >&2
  exit 78
}

take_the_workspace() {
  exec 9>"$WORKSPACE/lock"
  flock --nonblock 9 || {
    echo "run: another run holds $WORKSPACE/lock; wait for it, or give this one a folder of its own" >&2
    exit 75
  }
  # Left by a machine that was switched off. DVC believes in a lock as long as any process has its
  # number, and in a container the numbers are the same each time.
  rm -f .dvc/tmp/rwlock
  [[ ! -d .git ]] || find .git -name '*.lock' -delete
}

take_the_commit() {
  local branch=results/$RUN start=$COMMIT
  [[ -d .git ]] || git init --quiet --initial-branch main
  if ! git cat-file -e "$COMMIT^{commit}" 2>/dev/null; then
    git fetch --quiet --depth 1 "$own" "$COMMIT" 2>/dev/null ||
      { [[ $REPOSITORY ]] && run git fetch --quiet --depth 1 "$REPOSITORY" "$COMMIT"; } ||
      wrong "Commit $COMMIT is neither in the image nor in REPOSITORY. Was it pushed?"
  fi
  # What this run has committed here stays, also where another one has been in between.
  if git merge-base --is-ancestor "$COMMIT" "refs/heads/$branch" 2>/dev/null; then
    start=refs/heads/$branch
  fi
  # A run that was stopped has changed dvc.lock: it must find it as it left it.
  if [[ $(git symbolic-ref --short --quiet HEAD) != "$branch" || $start == "$COMMIT" ]]; then
    git checkout --quiet --force -B "$branch" "$start"
  fi
}

take_the_remote() {
  if [[ $REMOTE != committed ]]; then
    dvc remote add --quiet --local --default --force run "$REMOTE"
    dvc remote modify --quiet --local run verify true
  elif [[ $(dvc config core.remote) == embedded ]]; then
    wrong "REMOTE is 'committed', which is the embedded example: what the run makes would be lost. Use BUCKET, or commit what \`make remote bucket=NAME\` writes."
  fi
}

# A run that may not write is told so now, and not when its work is done. It is tried three times:
# a new machine's account is not known at once; on GKE for some seconds.
check_the_places() {
  local pause
  for pause in 5 15; do
    places check "$RESULTS/$RUN" 2>/dev/null && return
    run sleep "$pause"
  done
  places check "$RESULTS/$RUN" || exit 78
}

# What another machine has brought out of this run, if nothing of it is in this workspace.
take_the_results() {
  git diff --quiet "$COMMIT" || return 0
  places take "$RESULTS/$RUN" "$OUT"
  local bundle
  for bundle in "$OUT"/*.bundle; do
    [[ -e $bundle ]] || continue
    if git fetch --quiet "$bundle" "results/$RUN" && git merge --quiet --ff-only FETCH_HEAD; then
      echo "run: goes on from $RESULTS/$RUN/${bundle##*/}"
    else
      echo "run: $RESULTS/$RUN/${bundle##*/} is of another commit, and will be replaced" >&2
    fi
    rm "$bundle"
  done
}

places() {
  run python "$own/deploy/places.py" "$@"
}

# dvc.lock and the metrics, as a commit on top of the one that was run.
write_the_bundle() {
  local name=results
  ((!failed)) || name=unfinished
  rm -f "$OUT"/*.bundle
  git add --all
  git diff --cached --quiet ||
    git -c user.name=verdict -c user.email=verdict@localhost commit --quiet -m "Run $RUN: $name"
  if [[ $(git rev-parse HEAD) == "$COMMIT" ]]; then
    echo "run: nothing changed; there are no results to bring home"
  else
    git bundle create --quiet "$OUT/$name.bundle" "$COMMIT..results/$RUN"
  fi
}

# Where no server is named, MLflow keeps its runs here; this machine may end with the run.
keep_the_runs() {
  [[ -e mlflow.db && ! ${MLFLOW_TRACKING_URI:-} ]] || return 0
  places copy mlflow.db "$OUT/mlflow.db" || echo "run: MLflow's runs stay in $project/mlflow.db" >&2
}

# Run a command to its end, also when this script is told to stop meanwhile.
run() {
  "$@" &
  child=$!
  local code=0
  wait "$child" || code=$?
  child=''
  [[ ! $stopped ]] || exit 143
  return "$code"
}

# dvc and shells die of SIGTERM at once, and the machine with them. What they have started is told
# instead; they end when that has ended.
# shellcheck disable=SC2329  # the trap calls it
stop() {
  stopped=yes
  [[ $child ]] || exit 143
  local pid workers
  while kill -0 "$child" 2>/dev/null; do
    workers=$(started_by "$child")
    for pid in ${workers:-$child}; do
      [[ $told == *" $pid "* ]] || kill -TERM "$pid" 2>/dev/null || true
      told+="$pid "
    done
    sleep 0.2
  done
}

# shellcheck disable=SC2329  # stop calls it
started_by() {
  local pid children=()
  read -ra children 2>/dev/null <"/proc/$1/task/$1/children" || true
  for pid in "${children[@]}"; do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
      sh | bash | dash) started_by "$pid" ;;
      *) echo "$pid" ;;
    esac
  done
}

main "$@"
exit
