"""The image's entry: lays out the project, and hands SIGTERM to what works."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.container.entry import lay_out, run
from testing.places import ROOT

ENTRY = ROOT / "deploy/container/entry.py"

#: Like training: at SIGTERM it saves, takes its time over it, and fails.
WORKER = """\
import pathlib, signal, sys, time
def stop(*_):
    time.sleep(1)
    pathlib.Path("saved").write_text("yes")
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("ready").touch()
time.sleep(60)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: python worker.py\n    outs: [saved]\n"
    )
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path


def stop(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Start the entry with a command, send it SIGTERM when the worker works, wait for its end."""
    process = subprocess.Popen(
        [sys.executable, str(ENTRY), *command],
        cwd=project,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (project / "ready").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    return subprocess.CompletedProcess(command, process.returncode, output)


def test_sigterm_reaches_the_work_of_dvc_which_ends_after_it(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=project, check=True)
    done = stop(project, "dvc", "repro")
    assert (project / "saved").read_text() == "yes"
    assert done.returncode not in (0, 128 + signal.SIGTERM)
    assert "failed to reproduce 'train'" in done.stdout


def test_sigterm_reaches_the_work_of_a_shell(project: Path) -> None:
    done = stop(project, "sh", "-c", "python worker.py; exit $?")
    assert (project / "saved").exists()
    assert done.returncode == 3


def test_sigterm_reaches_a_command_itself(project: Path) -> None:
    (project / "worker.py").write_text(
        "import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(60)\n"
    )
    assert stop(project, "python", "worker.py").returncode == 128 + signal.SIGTERM


def test_exit_codes_and_a_command_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert run(["sh", "-c", "exit 5"]) == 5
        assert run(["no-such-command"]) == 127
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert capfd.readouterr().err == "no-such-command: No such file or directory\n"


def test_an_empty_folder_gets_the_project_and_a_project_stays(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "project"
    (source / ".git").mkdir(parents=True)
    (source / "dvc.yaml").write_text("stages: {}\n")
    folder.mkdir()
    lay_out(source, folder)
    assert (folder / ".git").is_dir()
    (folder / "dvc.yaml").write_text("stages: {mine: {cmd: true}}\n")
    lay_out(source, folder)
    assert "mine" in (folder / "dvc.yaml").read_text()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SystemExit, match=r"neither empty nor this project: there is no dvc\.yaml"):
        lay_out(ROOT, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
