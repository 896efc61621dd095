"""The jobs for Batch, Slurm, SkyPilot and RunPod, against what these know."""

import itertools
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import googleapiclient
import jsonschema
import pytest
import yaml

from testing.places import ROOT

RUN = "/opt/verdict/project/deploy/run.sh"


def batch_job() -> dict[str, Any]:
    text = subprocess.run(
        ["bash", ROOT / "deploy/batch/submit.sh", "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(text)


def schema(api: str, name: str) -> dict[str, Any]:
    """A schema that Google publishes for its REST API, where a key that it lacks is an error."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
    text = (folder / f"{api}.json").read_text("utf-8")
    schemas = json.loads(text.replace('"$ref": "', '"$ref": "#/schemas/'))["schemas"]
    for one in schemas.values():
        if "properties" in one:
            one["additionalProperties"] = False
    # The names of formats and types are JSON Schema's; ids would be read as addresses.
    return {"$ref": f"#/schemas/{name}", "schemas": {k: _plain(v) for k, v in schemas.items()}}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "id"}


def test_the_batch_job_fits_its_schema() -> None:
    rules = schema("batch.v1", "Job")
    given = batch_job()

    jsonschema.validate(given, rules)

    given["taskGroups"][0]["taskSpec"]["imageUrl"] = "misspelt"
    with pytest.raises(jsonschema.ValidationError, match="imageUrl"):
        jsonschema.validate(given, rules)


def test_all_run_the_same_command_in_the_same_image() -> None:
    batch = batch_job()["taskGroups"][0]["taskSpec"]["runnables"][1]["container"]

    assert [batch["entrypoint"], *batch["commands"]] == ["bash", RUN]
    assert "@sha256:" in batch["imageUri"]
    slurm = (ROOT / "deploy/slurm/verdict.sbatch").read_text("utf-8")
    sky = (ROOT / "deploy/skypilot/verdict.yaml").read_text("utf-8")
    assert f"bash {RUN}" in slurm
    assert f"bash {RUN}" in sky


def test_on_batch_the_container_has_the_gpu_without_privileges() -> None:
    # What docker needs where there is no NVIDIA runtime:
    # https://cloud.google.com/container-optimized-os/docs/how-to/run-gpus
    group = batch_job()
    container = group["taskGroups"][0]["taskSpec"]["runnables"][1]["container"]
    options = container["options"].split()
    devices = {after for before, after in itertools.pairwise(options) if before == "--device"}

    assert devices == {"/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"}
    assert "/var/lib/nvidia/lib64:/usr/local/nvidia/lib64:ro" in container["volumes"]
    assert "--privileged" not in options
    # Left to choose, Batch may take another system, where these are not.
    disk = group["allocationPolicy"]["instances"][0]["policy"]["bootDisk"]
    assert disk["image"] == "batch-cos"


@pytest.mark.parametrize("name", ["skypilot", "runpod"])
def test_skypilot_reads_its_task(name: str) -> None:
    sky = pytest.importorskip("sky")
    text = (ROOT / f"deploy/{name}/verdict.yaml").read_text("utf-8")
    values = [("IMAGE", "image"), ("COMMIT", "c" * 40), ("BUCKET", "bucket")]
    given = yaml.safe_load(text)
    overrides = [(key, value) for key, value in values if key in given["envs"]]
    # As of --secret-file .env, where a name may have no value.
    secrets = [("HF_TOKEN", "hf_secret"), ("WANDB_API_KEY", "")]

    task = sky.Task.from_yaml_config(given, env_overrides=overrides, secrets_overrides=secrets)

    assert set(task.secrets) == {"HF_TOKEN", "WANDB_API_KEY"}
    assert task.run.rstrip().endswith("deploy/run.sh")


@pytest.mark.parametrize("name", ["skypilot", "runpod"])
def test_skypilots_scripts_are_sound(name: str) -> None:
    task = yaml.safe_load((ROOT / f"deploy/{name}/verdict.yaml").read_text("utf-8"))

    for key in {"setup", "run"} & task.keys():
        # SkyPilot runs them with bash.
        checked = subprocess.run(
            ["shellcheck", "--shell=bash", "-"], input=task[key], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout
        assert task[key].startswith("set -euo pipefail\n")


STAND_IN = """\
#!/usr/bin/env bash
echo "asked: $*"
echo "inside: $APPTAINERENV_WORKSPACE"
env | sed -n 's/^APPTAINERENV_/given: /p'
trap 'sleep 0.5; echo saved; exit 143' TERM
touch begun
[[ ${END:-} ]] || while :; do sleep 0.1; done
exit "$END"
"""


def test_skypilots_docker_may_pull_from_artifact_registry(tmp_path: Path) -> None:
    task = yaml.safe_load((ROOT / "deploy/skypilot/verdict.yaml").read_text("utf-8"))
    for name in ("docker", "gcloud"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*"\n', "utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    for image, asked in (
        ("europe-west4-docker.pkg.dev/mine/verdict/verdict@sha256:0", True),
        ("docker.io/somebody/verdict@sha256:0", False),
    ):
        answer = subprocess.run(
            ["bash", "-c", task["run"]],
            capture_output=True,
            text=True,
            env={**environment, "IMAGE": image},
        )
        assert answer.returncode == 0, answer.stderr
        *before, run = answer.stdout.splitlines()
        assert run.startswith("docker run ")
        login = "gcloud auth configure-docker europe-west4-docker.pkg.dev --quiet"
        assert before == ([login] if asked else [])


@pytest.mark.parametrize(("number", "again"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_the_slurm_job_saves_and_queues_again_unless_it_was_cancelled(
    tmp_path: Path, number: signal.Signals, again: bool
) -> None:
    text = (ROOT / "deploy/slurm/verdict.sbatch").read_text("utf-8")
    assert "\n#SBATCH --signal=B:USR1@120\n" in text
    process = _slurm(tmp_path, SLURM_JOB_ID="17")
    while not (tmp_path / "begun").exists():
        assert process.poll() is None

    process.send_signal(number)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 143
    assert "saved\n" in output
    # Slurm would requeue a cancelled job, too, if it were asked to.
    assert ("scontrol: requeue 17" in output) is again


@pytest.mark.parametrize("code", [0, 78])
def test_the_slurm_job_ends_as_the_run_does(tmp_path: Path, code: int) -> None:
    process = _slurm(tmp_path, END=str(code), SLURM_JOB_ID="17", REMOTE="/far/remote")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == code
    assert f"--bind {tmp_path}/workspace:/workspace,/far/remote image.sif bash {RUN}" in output
    assert "inside: /workspace" in output
    assert "scontrol" not in output


def test_the_slurm_job_sees_the_runs_own_environment_and_no_other(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "HF_TOKEN=hf_secret\nMLFLOW_TRACKING_PASSWORD='pa$$'\nWANDB_API_KEY=\n", "utf-8"
    )
    theirs = {"PYTHONPATH": "/home/me/lib", "PYTHONHOME": "/opt/conda", "LD_PRELOAD": ""}
    process = _slurm(tmp_path, END="0", BUCKET="bucket", NCCL_DEBUG="INFO", **theirs)
    output, _ = process.communicate(timeout=60)

    (asked,) = [line.split() for line in output.splitlines() if line.startswith("asked: ")]
    assert {"--cleanenv", "--no-eval"} <= set(asked[: asked.index("image.sif")])
    assert "hf_secret" not in asked
    given = dict(
        line.removeprefix("given: ").split("=", 1)
        for line in output.splitlines()
        if line.startswith("given: ")
    )
    assert given == {
        "COMMIT": "c" * 40,
        "BUCKET": "bucket",
        "NCCL_DEBUG": "INFO",
        "HF_TOKEN": "hf_secret",
        "MLFLOW_TRACKING_PASSWORD": "pa$$",
        "WORKSPACE": "/workspace",
        "HF_HOME": "/workspace/hub",
        "DVC_SITE_CACHE_DIR": "/workspace/dvc",
    }


def _slurm(folder: Path, **environment: str) -> "subprocess.Popen[str]":
    for name, text in (
        ("apptainer", STAND_IN),
        ("scontrol", '#!/bin/sh\necho "scontrol: $*"\n'),
    ):
        (folder / name).write_text(text, "utf-8")
        (folder / name).chmod(0o755)
    values = {"IMAGE": "image.sif", "COMMIT": "c" * 40, "WORKSPACE": f"{folder}/workspace"}
    return subprocess.Popen(
        ["bash", ROOT / "deploy/slurm/verdict.sbatch"],
        cwd=folder,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **values, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
