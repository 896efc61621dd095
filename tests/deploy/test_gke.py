"""The manifests of ``deploy/gke``: rendered by Kustomize, against their schemas, and sealed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from kubeflow_trainer_api.models import jobset_v1alpha2_job_set as kubeflow

from tests.deploy.manifests import OVERLAYS, containers, jobs, of_kind, rendered, settings

#: A release that GKE's regular channel has passed; JobSet's own schema comes from Kubeflow's types.
KUBERNETES = "1.33"
RUN = ["bash", "/opt/verdict/project/deploy/run.sh"]

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def pods() -> Iterator[Any]:
    for overlay in OVERLAYS:
        deployments = [manifest["spec"] for manifest in of_kind(overlay, "Deployment")]
        for number, owner in enumerate(jobs(overlay) + deployments):
            yield pytest.param(owner["template"]["spec"], id=f"{overlay}-{number}")


def every_pod() -> list[Any]:
    return list(pods()) if shutil.which("kubectl") else []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_fits_its_schema(overlay: str) -> None:
    manifests = [one for one in rendered(overlay) if one["kind"] != "JobSet"]

    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)

    assert {"Namespace", "ServiceAccount", "ConfigMap"} <= {one["kind"] for one in manifests}


def test_a_misspelt_key_does_not_fit() -> None:
    (job,) = of_kind("train", "Job")
    wrong = {**job, "spec": {**job["spec"], "podFailurePolicies": {}}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_the_jobs_of_the_jobset_fit_the_schema_of_jobs() -> None:
    for spec in jobs("multi-node"):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": spec}
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


def test_the_jobset_fits_kubeflows_types() -> None:
    (manifest,) = of_kind("multi-node", "JobSet")
    known = kubeflow.JobsetV1alpha2JobSet.from_dict(manifest).to_dict()

    assert lost(manifest, known) == []
    wrong = {**manifest, "spec": {**manifest["spec"], "failurePolicies": {}}}
    known = kubeflow.JobsetV1alpha2JobSet.from_dict(wrong).to_dict()
    assert lost(wrong, known) == ["spec.failurePolicies"]


def lost(given: Any, known: Any, place: str = "") -> list[str]:
    """Name what of ``given`` the types do not know: they drop it silently."""
    if isinstance(given, dict):
        missing = [f"{place}{key}" for key in given if key not in known]
        inside = [lost(given[key], known[key], f"{place}{key}.") for key in given if key in known]
        return missing + [name for names in inside for name in names]
    if isinstance(given, list):
        pairs = zip(given, known, strict=True)
        return [name for one, two in pairs for name in lost(one, two, place)]
    return [] if given == known else [place]


@pytest.mark.parametrize("pod", every_pod())
def test_pods_are_sealed(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "verdict"  # whom Workload Identity lets use the bucket
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not any("hostPath" in volume for volume in pod["volumes"])
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("pod", every_pod())
def test_resources_are_named_and_images_pinned(pod: dict[str, Any]) -> None:
    for container in containers(pod):
        requests, limits = (container["resources"][key] for key in ("requests", "limits"))
        assert {"cpu", "memory", "ephemeral-storage"} <= requests.keys()
        assert requests["memory"] == limits["memory"]
        assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])
        assert container["image"] == settings()["IMAGE"]


@pytest.mark.parametrize("pod", every_pod())
def test_no_secret_is_written_into_a_manifest(pod: dict[str, Any]) -> None:
    secrets = {"HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"}
    for container in containers(pod):
        assert not secrets & {variable["name"] for variable in container.get("env", [])}


@pytest.mark.parametrize("overlay", ["train", "train-spot", "evaluate", "export"])
def test_losing_the_machine_does_not_count_and_wrong_settings_end_it(overlay: str) -> None:
    (job,) = jobs(overlay)
    pod = job["template"]["spec"]

    policy = [
        (rule["action"], rule.get("onExitCodes", {}).get("values"), rule.get("onPodConditions"))
        for rule in job["podFailurePolicy"]["rules"]
    ]
    assert policy == [
        ("Ignore", None, [{"type": "DisruptionTarget", "status": "True"}]),
        ("Ignore", [143], None),
        ("FailJob", [78], None),
    ]
    assert job["podReplacementPolicy"] == "Failed"
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] == 15
    assert job["activeDeadlineSeconds"] <= 86400
    (run,) = pod["containers"]
    assert run["command"] == RUN
    variables = {one["name"]: one["value"] for one in run["env"]}
    # What the next machine would download or hash again.
    for name in ("HF_HOME", "DVC_SITE_CACHE_DIR"):
        assert variables[name].startswith("/workspace/")
    claims = {volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"][:1]}
    assert claims == {of_kind(overlay, "PersistentVolumeClaim")[0]["metadata"]["name"]}
    assert run["volumeMounts"][0] == {"name": "workspace", "mountPath": "/workspace"}


@pytest.mark.parametrize(
    ("overlay", "spot", "gpu"),
    [("train", False, True), ("train-spot", True, True), ("evaluate", True, True),
     ("export", True, True)],
)  # fmt: skip
def test_each_overlay_asks_for_its_machine(overlay: str, spot: bool, gpu: bool) -> None:
    (job,) = jobs(overlay)
    pod = job["template"]["spec"]
    selector = pod.get("nodeSelector", {})

    assert (selector.get("cloud.google.com/gke-spot") == "true") is spot
    kind = settings()["GPU_TYPE"] if gpu else None
    assert selector.get("cloud.google.com/gke-accelerator") == kind
    count = settings()["GPU_COUNT"] if gpu else None
    assert pod["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") == count


def test_the_machines_of_the_jobset_find_each_other() -> None:
    (manifest,) = of_kind("multi-node", "JobSet")
    prepare, train = manifest["spec"]["replicatedJobs"]
    job = train["template"]["spec"]
    (run,) = job["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value", one.get("valueFrom")) for one in run["env"]}

    assert train["dependsOn"] == [{"name": prepare["name"], "status": "Complete"}]
    assert int(variables["PET_NNODES"]) == job["completions"] == job["parallelism"]
    # JobSet calls a pod NAME-REPLICATED_JOB-JOB-POD, in a subdomain of its own name.
    name = manifest["metadata"]["name"]
    assert variables["PET_MASTER_ADDR"] == f"{name}-{train['name']}-0-0.{name}"
    index = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert variables["PET_NODE_RANK"] == {"fieldRef": {"fieldPath": index}}
    assert job["completionMode"] == "Indexed"
    (claim,) = of_kind("multi-node", "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_jobset_ends_with_wrong_settings_and_with_its_day() -> None:
    (manifest,) = of_kind("multi-node", "JobSet")
    policy = manifest["spec"]["failurePolicy"]
    # JobSet starts all again for any reason that no rule names, with a new deadline.
    ends = {
        reason
        for rule in policy["rules"]
        if rule["action"] == "FailJobSet"
        for reason in rule["onJobFailureReasons"]
    }

    assert {"PodFailurePolicy", "DeadlineExceeded"} <= ends
    assert policy["maxRestarts"] <= 5
    for spec in jobs("multi-node"):
        assert spec["activeDeadlineSeconds"] <= 86400


def test_the_machines_wait_for_each_other_as_long_as_one_may_take() -> None:
    (manifest,) = of_kind("multi-node", "JobSet")
    _, train = manifest["spec"]["replicatedJobs"]
    (run,) = train["template"]["spec"]["template"]["spec"]["containers"]
    given = {one["name"]: one["value"] for one in run["env"] if one["name"].startswith("PET_")
             and "value" in one}  # fmt: skip
    # torchrun's own reading of them, for the machine that has nothing else to do.
    script = (
        "from torch.distributed.run import config_from_args, parse_args\n"
        "config, _, _ = config_from_args(parse_args(['-m', 'stages.train']))\n"
        "print(config.rdzv_backend, config.rdzv_endpoint, config.max_nodes,"
        " config.rdzv_configs['rank'], config.rdzv_configs['timeout'])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **given, "PET_NODE_RANK": "1"},
    )

    assert answer.returncode == 0, answer.stderr
    backend, endpoint, nodes, rank, seconds = answer.stdout.split()
    assert (backend, nodes, rank) == ("static", given["PET_NNODES"], "1")
    assert endpoint == f"{given['PET_MASTER_ADDR']}:{given['PET_MASTER_PORT']}"
    # A machine, an image of some GB and a look through the data: more than torchrun's 10 minutes.
    assert int(seconds) >= 3600
