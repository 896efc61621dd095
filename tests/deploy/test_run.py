"""``deploy/run.sh`` on a project of two stages: what it brings out when one fails.

``tests/pipeline/test_deployed_run.py`` runs it on the real pipeline.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

DVC_YAML = """\
stages:
  first:
    cmd: echo done > first.txt
    deps: [deploy]
    outs: [first.txt]
  second:
    cmd: test -e ../mended && cp first.txt second.txt
    deps: [first.txt]
    outs: [second.txt]
"""


@dataclass
class Machine:
    """A project at home, and a machine elsewhere with its workspace, remote and results."""

    home: Path
    folder: Path

    def git(self, *words: str) -> str:
        name = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        answer = subprocess.run(
            ["git", *name, *words], cwd=self.home, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    def run(self, *words: str, code: int = 0, **changes: str) -> str:
        environment = {
            "COMMIT": self.git("rev-parse", "HEAD"),
            "WORKSPACE": str(self.folder),
            "REMOTE": str(self.folder / "remote"),
            "RESULTS": str(self.folder / "results"),
            "RUN": "one",
            **changes,
        }
        result = subprocess.run(
            ["bash", self.home / "deploy/run.sh", *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == code, result.stdout
        return result.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    home, folder = tmp_path / "home", tmp_path / "machine"
    (home / "deploy").mkdir(parents=True)
    folder.mkdir()
    shutil.copy(ROOT / "deploy/run.sh", home / "deploy/run.sh")
    (home / "dvc.yaml").write_text(DVC_YAML, "utf-8")
    machine = Machine(home, folder)
    machine.git("init", "--quiet", "--initial-branch", "main")
    subprocess.run(["dvc", "init", "--quiet"], cwd=home, check=True)
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "--message", "Two stages")
    return machine


def test_what_was_done_before_a_failure_is_brought_out(machine: Machine) -> None:
    output = machine.run(code=255)

    results = machine.folder / "results/one"
    assert "run: one failed" in output
    assert "is done" not in output
    assert [path.name for path in results.iterdir()] == ["unfinished.bundle"]
    machine.git("fetch", "--quiet", str(results / "unfinished.bundle"), "results/one")
    lock = yaml.safe_load(machine.git("show", "FETCH_HEAD:dvc.lock"))
    assert list(lock["stages"]) == ["first"]
    pushed = [path for path in (machine.folder / "remote").rglob("*") if path.is_file()]
    assert [path.read_text("utf-8") for path in pushed] == ["done\n"]

    (machine.folder / "mended").touch()
    assert "is done" in machine.run()
    assert (results / "results.bundle").exists()


def test_locks_of_git_that_was_killed_hold_up_nothing(machine: Machine) -> None:
    machine.run("true", REMOTE="committed")
    machine.git("commit", "--quiet", "--allow-empty", "--message", "Newer")
    git = machine.folder / "project/.git"
    # Of a fetch, of a checkout, of a commit.
    locks = [git / name for name in ("shallow.lock", "HEAD.lock", "refs/heads/results/one.lock")]
    for lock in locks:
        lock.touch()

    machine.run("true", REMOTE="committed")

    assert not [lock for lock in locks if lock.exists()]


def test_the_driver_is_found_where_clouds_put_it(machine: Machine) -> None:
    script = 'echo "path: $LD_LIBRARY_PATH"'
    output = machine.run("bash", "-c", script, REMOTE="committed", LD_LIBRARY_PATH="/its/own")

    assert "path: /its/own:/usr/local/nvidia/lib64\n" in output
