"""Locks that a kill or a full disk has cut: real DVC stumbles over the file, and then goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dvc.lock import make_lock

from tools.rwlock import remove_cut
from verdict.core.errors import VerdictError

pytestmark = pytest.mark.fault("kills")

RWLOCK = Path(".dvc/tmp/rwlock")
#: What is left of {"write": {"/é": …}} at several lengths, and what a full disk may leave.
CUT = (b"", b'{"wri', b'{"write": {"/\xc3', b"\0" * 12)


def dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert dvc("init", "--no-scm", "--quiet").returncode == 0
    Path("dvc.yaml").write_text("stages:\n  say:\n    cmd: echo done > said\n    outs: [said]\n")
    return tmp_path


@pytest.fixture
def running(project: Path) -> Iterator[Callable[[], int]]:
    """Start a DVC whose stage lasts, and end it."""
    started: list[subprocess.Popen[str]] = []

    def start() -> int:
        Path("dvc.yaml").write_text("stages:\n  wait:\n    cmd: echo begun && exec sleep 100\n")
        command = [sys.executable, "-m", "dvc", "repro"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        assert process.stdout is not None
        assert any(line == "begun\n" for line in process.stdout)
        return process.pid

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("content", CUT)
def test_dvc_goes_on_after_its_locks_were_cut(project: Path, content: bytes) -> None:
    RWLOCK.write_bytes(content)
    assert dvc("repro").returncode != 0
    assert remove_cut() == (
        "Removed .dvc/tmp/rwlock, in which DVC keeps its locks: a kill or a full disk had cut it."
    )
    assert not RWLOCK.exists()
    assert dvc("repro").returncode == 0
    assert Path("said").read_text() == "done\n"


def test_whole_locks_are_left_alone(project: Path) -> None:
    assert remove_cut() is None
    assert dvc("repro").returncode == 0
    before = RWLOCK.read_bytes()
    assert remove_cut() is None
    assert RWLOCK.read_bytes() == before


def test_while_dvc_runs_they_stay(running: Callable[[], int]) -> None:
    process = running()
    RWLOCK.write_bytes(b'{"wri')
    with pytest.raises(VerdictError, match=rf"^\.dvc/tmp/rwlock is cut .* process {process}\. "):
        remove_cut()
    assert RWLOCK.read_bytes() == b'{"wri'


def test_they_may_be_half_written_just_now(project: Path) -> None:
    RWLOCK.write_bytes(b"")
    with (
        make_lock(f"{RWLOCK}.lock"),
        pytest.raises(VerdictError, match=r"another program holds .*rwlock\.lock\. "),
    ):
        remove_cut()
    assert RWLOCK.exists()
