"""The scripts of ``deploy/``: sound and strict; and gcloud knows all that they ask of it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from testing.places import ROOT
from tests.deploy.standins import started

DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(path for pattern in ("*.sh", "*.sbatch") for path in DEPLOY.rglob(pattern))
STARTED = [path for path in SCRIPTS if path.name != "common.sh"]
#: Those that ask gcloud for something, with arguments.
ASKING = {
    "gke/setup.sh": [],
    "gke/image.sh": [],
    "gke/data.sh": ["melanoma"],
    "gke/teardown.sh": ["--yes", "--bucket"],
    "batch/setup.sh": [],
    "batch/submit.sh": [],
}
#: What they start beside gcloud.
BESIDE = {
    **dict.fromkeys(("docker", "gke-gcloud-auth-plugin", "kubectl", "python"), ""),
    "git": f"echo {'c' * 40}",
}


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(DEPLOY))) for path in paths]


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", DEPLOY / script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_shellcheck_has_nothing_to_say() -> None:
    result = subprocess.run(
        ["shellcheck", "--external-sources", *SCRIPTS], cwd=ROOT, capture_output=True, text=True
    )

    assert len(SCRIPTS) >= 12
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", named(STARTED))
def test_every_script_is_strict_and_can_be_started(path: Path) -> None:
    text = path.read_text("utf-8")

    # Where there is no bash, as at the beginning of a build, sh has no pipefail.
    assert text.startswith(("#!/usr/bin/env bash\n", "#!/bin/sh\n"))
    assert "\nset -euo pipefail\n" in text or text.startswith("#!/bin/sh\n")
    assert "\nset -eu" in text
    assert os.access(path, os.X_OK)


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_knows_every_command(elsewhere: Path) -> None:
    asked = set()
    # Where nothing is there yet, and where all of it is.
    for found in ("exit 1", "exit 0"):
        answers = f'"projects describe"*) echo 17 ;; *describe*) {found} ;; *add*) cat >/dev/null'
        programs = {**BESIDE, "gcloud": f"case $* in {answers} ;; esac"}
        for script, arguments in ASKING.items():
            _, lines = started(
                elsewhere, script, *arguments, programs=programs, HF_TOKEN="hf_secret"
            )
            asked |= {line for line in lines if line.startswith("gcloud ")}
    assert len(asked) >= 35
    assert {"batch", "secrets", "transfer", "container"} <= {line.split()[1] for line in asked}
    commands = [*sorted(asked), "gcloud secrets create name --misspelt"]
    file = elsewhere / "commands.json"
    file.write_text(json.dumps([{"command_string": command} for command in commands]), "utf-8")

    # It parses the commands and sends nothing.
    answer = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"],
        capture_output=True,
        text=True,
    )

    refused = [one for one in json.loads(answer.stdout) if not one["success"]]
    assert [one["command_string"] for one in refused] == commands[-1:], [
        (one["command_string"], one["error_message"]) for one in refused
    ]


@pytest.mark.parametrize("script", ASKING)
def test_a_dry_run_tells_what_it_would_do_and_asks_nobody(elsewhere: Path, script: str) -> None:
    programs = {**BESIDE, "gcloud": "exit 1", "kubectl": "exit 1"}

    result, lines = started(elsewhere, script, "--dry-run", *ASKING[script], programs=programs)

    assert "gcloud " in result.stdout or '"taskGroups"' in result.stdout
    assert not [line for line in lines if line.startswith(("gcloud ", "kubectl "))]


@pytest.mark.parametrize("script", ["gke/setup.sh", "batch/setup.sh", "batch/submit.sh"])
def test_nothing_starts_with_the_settings_as_delivered(script: str) -> None:
    result = run(script)

    assert result.returncode == 1
    assert "deploy/settings.env: PROJECT is 'my-project'; fill it in first" in result.stderr


def test_an_unknown_overlay_is_answered_with_the_known_ones() -> None:
    result = run("gke/start.sh", "trian", "--dry-run")

    assert result.returncode == 1
    assert "name one of: evaluate export multi-node services train-spot train" in result.stderr


def test_deleting_wants_a_word() -> None:
    assert "say --yes" in run("gke/teardown.sh", "--dry-run").stderr


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("gke/secrets.sh", []), ("gke/start.sh", ["train"]), ("gke/teardown.sh", ["--yes"])],
)
def test_kubectl_is_asked_for_the_cluster_of_the_settings(
    elsewhere: Path, script: str, arguments: list[str]
) -> None:
    (elsewhere / ".env").write_text("HF_TOKEN=hf_secret\n")

    _, lines = started(
        elsewhere, script, *arguments, programs={"kubectl": "cat >/dev/null", "gcloud": ""}
    )

    asked = [line for line in lines if line.startswith("kubectl ")]
    assert asked
    for line in asked:
        assert line.startswith("kubectl --context gke_mine_us-central1_verdict "), line


@pytest.mark.parametrize(
    ("overlay", "state", "running"),
    [
        ("train-spot", "", False),
        ("train-spot", "train ", True),
        ("train-spot", "train Suspended", True),
        ("train-spot", "train SuccessCriteriaMet Complete", False),
        ("train-spot", "train FailureTarget Failed", False),
        ("multi-node", "verdict StartupPolicyCompleted", True),
        ("multi-node", "verdict Completed", False),
    ],
)
def test_a_finished_job_makes_way_and_a_running_one_stays(
    elsewhere: Path, overlay: str, state: str, running: bool
) -> None:
    # Another request gets no such answer.
    kubectl = {"kubectl": f'case $* in *--ignore-not-found*jsonpath*) echo "{state}" ;; esac'}

    result, lines = started(elsewhere, "gke/start.sh", overlay, code=int(running), programs=kubectl)

    kind, name = ("jobset", "verdict") if overlay == "multi-node" else ("job", "train")
    removed = [line for line in lines if f" delete {kind} {name} " in line]
    applied = [line for line in lines if " apply " in line]
    assert (len(removed), len(applied)) == ((0, 0) if running else (1, 1))
    assert (f"{kind} {name} is still running" in result.stderr) is running


def test_taking_down_again_passes_over_what_is_gone(elsewhere: Path) -> None:
    nothing = {"gcloud": "case $* in *describe*) exit 1 ;; esac", "kubectl": "exit 1"}

    result, lines = started(elsewhere, "gke/teardown.sh", "--yes", "--bucket", programs=nothing)

    assert not [line for line in lines if "delete" in line or " rm " in line]
    assert "gcloud filestore instances list --project mine" in result.stdout


def test_the_cluster_goes_after_its_volumes(elsewhere: Path) -> None:
    # The disks are not gone yet.
    programs = {"gcloud": "", "kubectl": 'case $* in *" wait "*) exit 1 ;; esac'}

    _, lines = started(elsewhere, "gke/teardown.sh", "--yes", code=1, programs=programs)

    assert not [line for line in lines if "clusters delete" in line]


def test_what_runs_without_a_cluster_gets_its_bucket_and_its_repository(elsewhere: Path) -> None:
    nothing = {
        "gcloud": 'case $* in *describe*) exit 1 ;; *"versions add"*) cat >/dev/null ;; esac'
    }

    _, lines = started(elsewhere, "batch/setup.sh", programs=nothing, HF_TOKEN="hf_secret")

    made = [line.split()[1:5] for line in lines if " create " in line]
    assert ["storage", "buckets", "create", "gs://mine-verdict"] in made
    assert ["artifacts", "repositories", "create", "verdict"] in made
    assert not [line for line in lines if "clusters" in line]


def test_copying_the_data_makes_nobody_an_owner_and_can_be_repeated(elsewhere: Path) -> None:
    programs = {"gcloud": 'case $* in "projects describe"*) echo 17 ;; esac', "python": ""}

    result, lines = started(elsewhere, "gke/data.sh", "melanoma", programs=programs)

    assert not [line for line in lines if "--add-missing" in line]
    assert "https://HOST/PATH is gs://mine-verdict/HOST/PATH" in result.stdout
    service = "serviceAccount:project-17@storage-transfer-service.iam.gserviceaccount.com"
    granted = {line.split()[4] for line in lines if service in line}
    assert granted == {"gs://mine-verdict"}
    assert "gcloud transfer jobs run verdict-melanoma --project mine" in lines
    assert not [line for line in lines if "transfer jobs create" in line]


@pytest.mark.parametrize("recipe", ["breakhis", "medpix-vqa"])
def test_what_no_service_copies_is_told_as_such(elsewhere: Path, recipe: str) -> None:
    shutil.copytree(ROOT / "recipes", elsewhere / "recipes")

    result, lines = started(
        elsewhere, "gke/data.sh", recipe, code=1, programs={"gcloud": "", "python": ""}
    )

    assert (
        f"the files of {recipe} are on Kaggle, on the hub or in packages, and need no copying"
        in result.stderr
    )
    assert "gs://…" not in result.stderr
    assert lines == []


def test_data_need_the_projects_environment(elsewhere: Path) -> None:
    programs = {"gcloud": "", "python": "exit 1"}

    result, _ = started(elsewhere, "gke/data.sh", "melanoma", code=1, programs=programs)

    assert "the project's environment is not active: . .venv/bin/activate" in result.stderr


def test_a_cluster_is_made_only_where_it_can_be_used(elsewhere: Path) -> None:
    # Without gke-gcloud-auth-plugin, which kubectl logs in by.
    needed = {"dirname", "basename", "sed", "bash", "env", "sh"}
    for name in needed:
        (elsewhere / name).symlink_to(shutil.which(name) or name)
    programs = {"gcloud": "", "kubectl": "", "docker": "exit 1", "python": "exit 1"}
    path = {"PATH": str(elsewhere)}

    result, lines = started(elsewhere, "gke/setup.sh", code=1, programs=programs, **path)

    assert "gke-gcloud-auth-plugin is not installed" in result.stderr
    assert lines == []
    programs["gke-gcloud-auth-plugin"] = ""
    result, lines = started(elsewhere, "gke/setup.sh", programs=programs, **path)
    assert "Not here: Docker with BuildKit" in result.stdout
    assert "Not here: the project's environment" in result.stdout
    assert [line for line in lines if "clusters get-credentials verdict" in line]


def built(elsewhere: Path, **environment: str) -> str:
    """Make the image, and return the command of Docker's that does."""
    programs = {"docker": "", "gcloud": "", "git": f"echo {'c' * 40}"}
    _, lines = started(elsewhere, "gke/image.sh", programs=programs, **environment)
    (build,) = [line for line in lines if line.startswith("docker build ")]
    return build


def test_an_image_needs_buildkit(elsewhere: Path) -> None:
    programs = {"docker": 'case $* in "buildx version") exit 1 ;; esac', "gcloud": ""}

    result, lines = started(elsewhere, "gke/image.sh", code=1, programs=programs)

    assert "Docker has no BuildKit here" in result.stderr
    assert lines == ["docker buildx version"]


@pytest.mark.parametrize("extras", ["", "ray gpu"])
def test_the_image_has_the_extras_that_are_asked_for(elsewhere: Path, extras: str) -> None:
    assert f" --build-arg EXTRAS={extras} --tag " in built(elsewhere, EXTRAS=extras)


def test_the_image_is_for_the_clouds_machines_and_their_drivers(elsewhere: Path) -> None:
    build = built(elsewhere).split()

    assert build[build.index("--platform") + 1] == "linux/amd64"
    (secret,) = [word for word in build if word.startswith("id=pip,src=")]
    listed = subprocess.run(
        ["python", "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_CONFIG_FILE": str(elsewhere / secret.removeprefix("id=pip,src="))},
    )
    # CUDA 12.6: drivers before 580 are too old for the wheels on PyPI, which have CUDA 13.
    assert "global.extra-index-url='https://download.pytorch.org/whl/cu126'" in listed.stdout
