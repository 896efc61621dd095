#!/usr/bin/env bash
# Give the pods the tokens of .env (HF_TOKEN and the like) as the secret `secrets`.
#
#     deploy/gke/secrets.sh [--dry-run]
#
# They go from one program into the next, never into a file, an argument or a log. Left out are names
# without a value, GOOGLE_APPLICATION_CREDENTIALS (pods need no key), and what opens compose.yaml's
# database and object store.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
need PROJECT REGION CLUSTER
cd "$here/.."
[[ -f .env ]] || die "there is no .env; copy .env.example and fill it in"

given() { sed -nE '/^(GOOGLE|POSTGRES|OBJECTS)_/d; /^[A-Z_]+=./p' .env; }
[[ $(given) ]] || die ".env has no value that pods could use; those that need none need no secret"
if [[ $dry_run ]]; then
  echo "would be given: $(given | cut -d= -f1 | tr '\n' ' ')"
  exit
fi
kubectl kustomize --load-restrictor LoadRestrictionsNone "$here/gke/base" | kubectl apply -f -
# On the server's side: otherwise the values would be kept in an annotation as well.
given | kubectl create secret generic secrets --namespace verdict --from-env-file /dev/stdin \
  --dry-run=client --output yaml | kubectl apply --server-side --force-conflicts -f -
