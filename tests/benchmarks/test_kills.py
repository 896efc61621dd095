"""The benchmark of kills: it kills what it started, recovers it, and sees what is not the same."""

import shutil
from pathlib import Path

import pytest

from benchmarks import kills
from testing.places import ROOT
from testing.project import Project

#: A first stage that lasts, and a second one.
PIPELINE = """
stages:
  first:
    cmd: mkdir -p data && sleep 1 && {what} > data/first
    outs: [data/first]
  second:
    cmd: mkdir -p metrics && cp data/first metrics/second
    deps: [data/first]
    outs: [metrics/second]
"""


def short(folder: Path, what: str) -> Project:
    """Make a project that takes seconds, with DVC and git."""
    folder.mkdir()
    project = Project(folder, {"PYTHONPATH": str(ROOT)})
    shutil.copy(ROOT / "params.yaml", folder)
    project.run("git", "init", "--quiet")
    project.dvc("init", "--quiet")
    (folder / "dvc.yaml").write_text(PIPELINE.format(what=what))
    (folder / ".gitignore").write_text("/data\n/metrics\n")
    project.dvc("repro")
    project.commit("Run")
    return project


@pytest.mark.parametrize(("what", "same"), [("echo done", True), ("date +%s%N", False)])
def test_it_kills_recovers_and_compares(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    same: bool,
) -> None:
    project = short(tmp_path / "project", what)
    expected = kills.result(project)
    assert expected.outputs.keys() == {"data/first", "metrics/second"}
    project.environment["DVC_NO_ANALYTICS"] = "1"
    monkeypatch.setattr(kills, "MOMENTS", (0.5, 0.6))
    assert kills.attempt(project, 0, 1.5, expected) is same
    said = capsys.readouterr().out
    assert "kill 0, at 5" in said
    assert said.endswith(": the same\n") is same


def test_a_run_that_fails_by_itself_is_no_kill(tmp_path: Path) -> None:
    project = short(tmp_path / "project", "echo done")
    (project.root / "dvc.yaml").write_text("stages: [\n")
    project.commit("Break it")
    with pytest.raises(SystemExit, match="ended with 255 before it was killed"):
        kills.killed(project, 60)
