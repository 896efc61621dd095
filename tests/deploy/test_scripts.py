"""The scripts of ``deploy/``: sound and strict; and gcloud knows all that they ask of it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(
    path for pattern in ("*.sh", "*.sbatch") for path in DEPLOY.rglob(pattern)
)  # fmt: skip
STARTED = [path for path in SCRIPTS if path.name != "common.sh"]
#: Those that ask gcloud for something, with arguments.
ASKING = {
    "gke/setup.sh": [],
    "gke/image.sh": [],
    "gke/data.sh": ["melanoma"],
    "gke/teardown.sh": ["--yes", "--bucket"],
    "google_account.sh": [],
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
def test_gcloud_knows_every_command(tmp_path: Path) -> None:
    shown = [run(script, "--dry-run", *arguments) for script, arguments in ASKING.items()]
    assert not [one.stderr for one in shown if one.returncode]
    lines = [line for one in shown for line in one.stdout.splitlines()]
    commands = [line.strip() for line in lines if line.startswith("gcloud ")]
    assert len(commands) >= 20
    commands.append("gcloud secrets create name --misspelt")
    file = tmp_path / "commands.json"
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


@pytest.mark.parametrize("script", ["gke/setup.sh", "batch/submit.sh", "vertex/submit.sh"])
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


def test_secrets_go_by_a_pipe_and_without_the_key_file(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / ".env").write_text(
        "# tokens\nHF_TOKEN=hf_secret\nWANDB_API_KEY=\nGOOGLE_APPLICATION_CREDENTIALS=key.json\n"
    )
    # Shows what it is asked, and what comes by the pipe of `create secret` and of `apply`.
    (tmp_path / "kubectl").write_text(
        '#!/bin/sh\necho "kubectl $*" >>"$LOG"\n'
        'case $* in create*) sed "s/^/piped: /" >>"$LOG" ;; esac\n'
    )
    (tmp_path / "kubectl").chmod(0o755)
    log = tmp_path / "log"

    result = subprocess.run(
        ["bash", tmp_path / "deploy/gke/secrets.sh"],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log)},
    )

    assert result.returncode == 0, result.stderr
    lines = log.read_text("utf-8").splitlines()
    assert [line for line in lines if "hf_secret" in line] == ["piped: HF_TOKEN=hf_secret"]
    assert [line for line in lines if line.startswith("piped: ")] == ["piped: HF_TOKEN=hf_secret"]
    assert "hf_secret" not in result.stdout + result.stderr
    assert "would be given: HF_TOKEN \n" in _dry(tmp_path)


def _dry(folder: Path) -> str:
    command = ["bash", folder / "deploy/gke/secrets.sh", "--dry-run"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
