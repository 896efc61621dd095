"""Without a server: the local store, where it lies, and what a run says of the project."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testing.secrets import SECRETS, assert_none
from tests.tracking.conftest import spools
from verdict.core.files import sha256_of
from verdict.core.project import project_root
from verdict.tracking.run import flatten, project_tags, resume_run, start_run

mlflow = pytest.importorskip("mlflow")

WORK = """
import sys
from pathlib import Path
from verdict.tracking.run import project_tags, start_run
run = start_run(("mlflow",), "melanoma", name=sys.argv[1], parameters={}, tags=project_tags())
run.log(1, {"loss": 1.0})
Path("loss.csv").write_text("step,loss")
run.log_figures([Path("loss.csv")])
run.finish(wait=60)
"""


def runs(project: Path) -> list[Any]:
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name("melanoma").experiment_id])


def work(name: str, folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dvc.yaml").write_text("stages: {}\n")
    return subprocess.Popen([sys.executable, "-c", WORK, name], cwd=folder)


def test_queued_experiments_share_the_store_of_their_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    # DVC's temporary workspaces are deleted afterwards; both create the store at the same time.
    both = [work(name, project / ".dvc/tmp/exps" / name) for name in ("tmp1", "tmp2")]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    found = runs(project)
    assert {run.info.run_name for run in found} == {"tmp1", "tmp2"}
    for run in found:
        assert run.info.status == "FINISHED"
        place = Path(run.info.artifact_uri.removeprefix("file://"))
        assert place.is_relative_to(project / "mlruns")
        assert (place / "figures/loss.csv").read_text() == "step,loss"
    assert spools(project) == []
    assert not list((project / ".dvc").rglob("mlflow.db"))
    assert_none(project, among=["mlflow.db", "mlruns"])


def test_a_folder_whose_name_an_address_would_read_otherwise(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.parent / "100%20 #1?"
    assert work("a", folder).wait(timeout=60) == 0
    assert {path.name for path in folder.iterdir()} >= {"mlflow.db", "mlruns"}
    # Beside it is nothing of a name that is decoded, or is not.
    assert {path.name for path in project.parent.iterdir()} <= {folder.name, "project", "home"}
    monkeypatch.chdir(folder)
    (run,) = runs(Path())
    assert run.info.status == "FINISHED"
    assert len(list((folder / "mlruns").rglob("figures/loss.csv"))) == 1


def test_the_project_is_found_from_within(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deeper = project / "stages/old"
    deeper.mkdir(parents=True)
    monkeypatch.chdir(deeper)
    assert project_root() == project


def test_nothing_heavy_is_imported_where_the_work_runs() -> None:
    code = "import sys, verdict.tracking.run; print({'mlflow', 'torch', 'wandb'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_no_trackers_do_nothing(project: Path) -> None:
    with start_run((), "melanoma", name="a", parameters={}, tags={}) as run:
        run.log(1, {"loss": 1.0})
        run.log_figures([project / "missing.png"])
    resume_run((), "melanoma", tag=("a", "b"), name="a").finish()
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml"]


def test_the_project_is_tagged_with_commit_and_lock(project: Path) -> None:
    assert project_tags() == {}
    (project / "dvc.lock").write_text("schema: '2.0'\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True, env=environment)
    tags = project_tags()
    assert len(tags["git.commit"]) == 40
    assert tags["git.dirty"] == "false"
    assert tags["dvc.lock.sha256"] == sha256_of(project / "dvc.lock")
    (project / "dvc.lock").write_text("schema: '2.1'\n")
    assert project_tags()["git.dirty"] == "true"


def test_parameters_are_flattened() -> None:
    nested = {"a": {"b": {"c": 1}, "d": None}, "e": [1, "x"], "f": True}
    assert flatten(nested) == {"a.b.c": 1, "a.d": None, "e": json.dumps([1, "x"]), "f": True}
