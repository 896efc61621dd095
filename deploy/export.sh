#!/usr/bin/env bash
# Merge the trained adapter into one model, and prove it: a command for run.sh, which brings the model
# to RESULTS/RUN/model.
#
#     deploy/run.sh bash deploy/export.sh
#
# COMMIT is the one that was trained, or the one that has its results. What the export needs and the
# workspace lacks is pulled. May be started again.
set -euo pipefail

# Without data, by hashes alone: an adapter of other parameters is not to be exported as this one.
if ! planned=$(dvc repro --dry --allow-missing train) || [[ $planned == *"Running stage"* ]]; then
  echo "export: $COMMIT is not trained yet: run the pipeline first, or give the commit of its results" >&2
  exit 78
fi
dvc pull fetch_model@base extract format train
# What an earlier try has left.
rm -rf "$OUT/model" "$OUT"/.model.*
python -m tools.export --output "$OUT/model"
