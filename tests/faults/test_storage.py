"""On a disk that is full or read-only every stage ends with one message and loses nothing."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from testing.places import ROOT
from testing.project import Small
from tests.faults.writing import STAGES

#: What the stages read of a project; its code is what ``stage_inputs`` hashes.
READ = (
    "data", "models", "metrics", "params.yaml", "dvc.yaml", "dvc.lock", "requirements.txt",
    "stages", "verdict",
)  # fmt: skip
MOUNTED = 'mount -t tmpfs -o size=64m tmpfs "$1" && cp -r $2 "$1" && shift 2 && exec "$@"'
SAID = {
    "full": "No space left on device (0 MB are free on its disk now); free some space there",
    "read-only": "Read-only file system (",
}
#: Training says in words of its own which checkpoints are kept.
OWN = {"train full": "no space left on the disk; no adapter is published, and the complete check"}


@pytest.fixture(scope="module")
def ended(small: Small, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How each stage ended on a small file system of its own, which nobody else sees."""
    folder = tmp_path_factory.mktemp("disk")
    if (
        not shutil.which("unshare")
        or subprocess.run(
            ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(folder)],
            capture_output=True, check=False,
        ).returncode
    ):  # fmt: skip
        pytest.skip("no file system can be mounted here (it needs root)")
    report = folder.parent / f"{folder.name}.json"
    read = " ".join(str(small.folder / "project" / name) for name in READ)
    work = [sys.executable, "-m", "tests.faults.writing", str(folder), str(report)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(folder), read, *work],
        capture_output=True, text=True, timeout=600, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text("utf-8"))


@pytest.mark.fault("storage")
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_on_a_full_disk_ends_with_one_message(
    ended: dict[str, dict[str, Any]], stage: str
) -> None:
    refused(ended, f"{stage} full")


@pytest.mark.fault("storage")
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_on_a_read_only_disk_ends_with_one_message(
    ended: dict[str, dict[str, Any]], stage: str
) -> None:
    refused(ended, f"{stage} read-only")


def refused(ended: dict[str, dict[str, Any]], case: str) -> None:
    stage, fault = case.split()
    found = ended[case]
    assert found["code"] == 1, found["said"]
    assert "Traceback" not in found["said"]
    message = found["said"].rpartition(f"\n{stage}: ")[2]
    assert OWN.get(case, SAID[fault]) in message
    assert "and run `dvc repro` again" in message
    # What a stage keeps of its own work is no output.
    assert [name for name in found["changed"] if not name.startswith(".checkpoints/")] == []


def test_every_stage_of_the_pipeline_is_tried(small: Small) -> None:
    run = {line.split("'")[1] for line in small.said.splitlines() if line.startswith("Running st")}
    assert {name.partition("@")[0] for name in run} == {name.partition("@")[0] for name in STAGES}
