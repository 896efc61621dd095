#!/usr/bin/env bash
# Start what an overlay describes: services, train-spot, train, evaluate, export, multi-node.
#
#     deploy/gke/start.sh OVERLAY [--dry-run]       with --dry-run: print the manifests
#
# A finished Job of the same name is removed first. A running one is left alone, and said so.
set -euo pipefail
# shellcheck source=deploy/common.sh
. "$(dirname "$0")/../common.sh"
read_arguments "$@"
overlay=$here/gke/overlays/${arguments[0]:-}
[[ ${#arguments[@]} == 1 && -d $overlay ]] ||
  die "name one of: $(cd "$here/gke/overlays" && echo ./*/ | tr -d './')"
need PROJECT REGION CLUSTER BUCKET IMAGE COMMIT

manifests=$(kubectl kustomize --load-restrictor LoadRestrictionsNone "$overlay")
if [[ $dry_run ]]; then
  echo "$manifests"
  exit
fi
kind=job name=${arguments[0]%-spot}
if [[ ${arguments[0]} == multi-node ]]; then
  kind=jobset name=verdict
  kubectl get customresourcedefinition jobsets.jobset.x-k8s.io >/dev/null ||
    die "this cluster has no JobSet controller; see deploy/README.md"
fi
if [[ ${arguments[0]} != services ]]; then
  # A Job cannot be changed; neither can a running one be meant.
  state=$(kubectl get "$kind" "$name" --namespace verdict --ignore-not-found \
    --output 'jsonpath={.metadata.name} {.status.conditions[?(@.status=="True")].type}')
  # Whole words: a running JobSet may say StartupPolicyCompleted.
  case " $state " in
    '  ' | *' Complete '* | *' Completed '* | *' Failed '*) kubectl delete "$kind" "$name" --namespace verdict --ignore-not-found ;;
    *) die "$kind $name is still running: kubectl logs -f -n verdict $kind/$name" ;;
  esac
fi
kubectl apply -f - <<<"$manifests"
[[ ${arguments[0]} == services ]] ||
  echo "Follow it with: kubectl logs -f -n verdict -l app.kubernetes.io/name=run -c run"
