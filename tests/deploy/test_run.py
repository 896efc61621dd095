"""``deploy/run.sh`` on a project of two stages: what it brings out, and what it goes on from.

``tests/pipeline/test_deployed_run.py`` runs it on the real pipeline.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testing.places import ROOT

DVC_YAML = """\
stages:
  first:
    cmd: echo done > first.txt && python track.py
    deps: [deploy]
    outs: [first.txt]
  second:
    cmd: test -e ../mended && cp first.txt second.txt
    deps: [first.txt]
    outs: [second.txt]
"""

#: Stages whose outputs are read as one folder, as the project's own predictions are.
COMPARED = """\
stages:
  evaluate:
    foreach: [a, b]
    do:
      cmd: mkdir -p data/predictions && echo ${item} > data/predictions/${item}.parquet
      deps: [deploy]
      outs: ["data/predictions/${item}.parquet"]
  compare:
    cmd: cat data/predictions/* code > out
    deps: [code, data/predictions]
    outs: [out]
"""

#: What MLflow does where no server is named.
TRACK = """\
import sqlite3
with sqlite3.connect("mlflow.db") as runs:
    runs.execute("CREATE TABLE runs (name TEXT)")
    runs.execute("INSERT INTO runs VALUES ('first')")
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

    def dvc(self, *words: str) -> None:
        subprocess.run(["dvc", *words, "--quiet"], cwd=self.home, check=True)

    @property
    def results(self) -> list[str]:
        """The names of what was brought out."""
        return sorted(path.name for path in (self.folder / "results/one").iterdir())

    def end(self) -> None:
        """Take the machine away, with its disk."""
        for name in ("project", "out"):
            shutil.rmtree(self.folder / name)

    def path_without_pauses(self) -> str:
        """A PATH on which nobody waits for a new machine's account."""
        (self.folder / "sleep").write_text("#!/bin/sh\n", "utf-8")
        (self.folder / "sleep").chmod(0o755)
        return f"{self.folder}:{os.environ['PATH']}"

    def run(self, *words: str, code: int = 0, **changes: str) -> str:
        environment = {
            "COMMIT": self.git("rev-parse", "HEAD"),
            "WORKSPACE": str(self.folder),
            "REMOTE": str(self.folder / "remote"),
            "RESULTS": str(self.folder / "results"),
            "RUN": "one",
            # A test beside this one may have left it in the environment.
            "MLFLOW_TRACKING_URI": "",
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
    for name in ("run.sh", "places.py"):
        shutil.copy(ROOT / "deploy" / name, home / "deploy" / name)
    (home / "dvc.yaml").write_text(DVC_YAML, "utf-8")
    (home / "track.py").write_text(TRACK, "utf-8")
    (home / ".gitignore").write_text("mlflow.db\n", "utf-8")
    machine = Machine(home, folder)
    machine.git("init", "--quiet", "--initial-branch", "main")
    machine.dvc("init")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "--message", "Two stages")
    return machine


def test_what_was_done_before_a_failure_is_brought_out(machine: Machine) -> None:
    output = machine.run(code=255)

    assert "run: one failed" in output
    assert "is done" not in output
    assert machine.results == ["mlflow.db", "unfinished.bundle"]
    bundle = machine.folder / "results/one/unfinished.bundle"
    machine.git("fetch", "--quiet", str(bundle), "results/one")
    lock = yaml.safe_load(machine.git("show", "FETCH_HEAD:dvc.lock"))
    assert list(lock["stages"]) == ["first"]
    pushed = [path for path in (machine.folder / "remote").rglob("*") if path.is_file()]
    assert [path.read_text("utf-8") for path in pushed] == ["done\n"]


def test_of_a_run_that_failed_and_then_succeeded_one_bundle_is_left(machine: Machine) -> None:
    machine.run(code=255)
    (machine.folder / "mended").touch()

    assert "is done" in machine.run()

    assert machine.results == ["mlflow.db", "results.bundle"]
    # And the other way round, as when only the first of two Jobs succeeds.
    (machine.folder / "results/one/unfinished.bundle").touch()
    machine.run()
    assert machine.results == ["mlflow.db", "results.bundle"]


def test_another_machine_goes_on_from_what_was_brought_out(machine: Machine) -> None:
    machine.run(code=255)
    machine.end()
    (machine.folder / "mended").touch()

    output = machine.run()

    assert "goes on from" in output
    assert "results/one/unfinished.bundle" in output
    assert "Running stage 'first'" not in output
    assert (machine.folder / "project/second.txt").read_text("utf-8") == "done\n"
    machine.end()
    output = machine.run()
    assert "results/one/results.bundle" in output
    assert "Running stage" not in output


def test_of_a_run_whose_predictions_are_there_only_the_comparison_is_made_anew(
    machine: Machine,
) -> None:
    (machine.home / "dvc.yaml").write_text(COMPARED, "utf-8")
    (machine.home / ".gitignore").write_text("mlflow.db\n/data/predictions/\n/out\n", "utf-8")
    (machine.home / "code").write_text("1", "utf-8")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "--message", "A comparison")
    machine.run()
    bundle = machine.folder / "results/one/results.bundle"
    machine.git("pull", "--quiet", "--ff-only", str(bundle), "results/one")
    machine.end()
    (machine.home / "code").write_text("2", "utf-8")
    machine.git("commit", "--quiet", "--all", "--message", "Another comparison")

    output = machine.run(RUN="two")

    assert re.findall(r"Running stage '(.*)'", output) == ["compare"]
    assert (machine.folder / "project/out").read_text("utf-8") == "a\nb\n2"


def test_a_bundle_of_another_commit_is_not_gone_on_from(machine: Machine) -> None:
    machine.run(code=255)
    machine.end()
    machine.git("commit", "--quiet", "--amend", "--message", "Another")

    assert "is of another commit, and will be replaced" in machine.run(code=255)


def test_a_run_keeps_its_results_where_another_has_been_in_between(machine: Machine) -> None:
    (machine.folder / "mended").touch()
    commit = machine.git("rev-parse", "HEAD")
    machine.run()
    machine.git("commit", "--quiet", "--allow-empty", "--message", "Newer")
    machine.run("true", RUN="two")
    # Otherwise they could come from there again.
    shutil.rmtree(machine.folder / "results/one")

    output = machine.run("git", "diff", "--name-only", commit, COMMIT=commit)

    assert "dvc.lock" in output.split()


@pytest.mark.parametrize("place", ["REMOTE", "RESULTS"])
def test_a_place_that_cannot_be_written_is_told_before_any_work(
    machine: Machine, place: str
) -> None:
    (machine.folder / "file").touch()
    changes = {place: str(machine.folder / "file/below")}

    output = machine.run(code=78, PATH=machine.path_without_pauses(), **changes)

    assert "cannot be written" in output
    assert "NotADirectoryError" in output
    assert output.count("run: ") == 1
    assert not (machine.folder / "project/first.txt").exists()


@pytest.mark.parametrize(("server", "kept"), [("", True), ("http://127.0.0.1:9", False)])
def test_runs_of_mlflow_come_home_where_no_server_is_named(
    machine: Machine, server: str, kept: bool
) -> None:
    (machine.folder / "mended").touch()

    machine.run(MLFLOW_TRACKING_URI=server)

    database = machine.folder / "results/one/mlflow.db"
    assert database.exists() is kept
    if kept:
        assert sqlite3.connect(database).execute("SELECT name FROM runs").fetchall() == [("first",)]


def test_a_token_that_is_set_and_empty_is_not_set(machine: Machine) -> None:
    output = machine.run(
        "bash", "-c", 'echo "${WANDB_API_KEY-none} $HF_TOKEN"', WANDB_API_KEY="", HF_TOKEN="hf_x"
    )

    assert "none hf_x\n" in output


def test_nothing_is_left_of_the_trial_and_nothing_is_brought_again(machine: Machine) -> None:
    machine.run("bash", "-c", 'touch "$OUT/model"')
    (machine.folder / "results/one/model").unlink()

    machine.run("true")

    assert machine.results == []
    assert not [path for path in (machine.folder / "remote").rglob("*") if path.is_file()]


def test_locks_of_git_that_was_killed_hold_up_nothing(machine: Machine) -> None:
    machine.run("true")
    machine.git("commit", "--quiet", "--allow-empty", "--message", "Newer")
    git = machine.folder / "project/.git"
    # Of a fetch, of a checkout, of a commit.
    locks = [git / name for name in ("shallow.lock", "HEAD.lock", "refs/heads/results/one.lock")]
    for lock in locks:
        lock.touch()

    machine.run("true")

    assert not [lock for lock in locks if lock.exists()]


def test_the_driver_is_found_where_clouds_put_it(machine: Machine) -> None:
    script = 'echo "path: $LD_LIBRARY_PATH"'
    output = machine.run("bash", "-c", script, LD_LIBRARY_PATH="/its/own")

    assert "path: /its/own:/usr/local/nvidia/lib64\n" in output


def test_a_committed_remote_is_taken_and_must_be_there(machine: Machine) -> None:
    path = machine.path_without_pauses()
    assert "no remote specified" in machine.run("true", code=78, REMOTE="committed", PATH=path)
    machine.dvc("remote", "add", "--default", "embedded", "here")
    machine.git("commit", "--quiet", "--all", "--message", "The example's remote")
    said = machine.run("true", code=78, REMOTE="committed", RUN="example")
    assert "would be lost" in said

    machine.dvc("remote", "add", "--default", "far", str(machine.folder / "far"))
    machine.git("commit", "--quiet", "--all", "--message", "A remote")

    machine.run(code=255, REMOTE="committed", RUN="two")

    assert [path for path in (machine.folder / "far").rglob("*") if path.is_file()]
