"""The twelve changes of the judge's benchmark still find what they change."""

import shutil
from pathlib import Path

import pytest

from benchmarks.parts.verify_changes import CHANGES
from benchmarks.parts.verify_project import cloned, sharing
from testing.places import ROOT
from testing.project import Project

#: What the last commit has; data and models need a run.
IN_GIT = {
    "a parameter, edited": "params.yaml",
    "a stage's code": "verdict/comparison/thresholds.py",
    "a requirement": "requirements.txt",
    "a hash in dvc.lock": "dvc.lock",
    "a number of the report, hashes renewed": "metrics/report/index.html",
}


def test_there_are_twelve_of_different_kinds() -> None:
    assert len({change.what for change in CHANGES}) == 12
    assert len({change.named for change in CHANGES}) >= 11


@pytest.mark.parametrize("what", IN_GIT)
def test_a_change_changes_one_line(what: str, tmp_path: Path) -> None:
    (change,) = (change for change in CHANGES if change.what == what)
    path = IN_GIT[what]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / path, tmp_path / path)
    change.plant(tmp_path)
    before = (ROOT / path).read_text("utf-8").splitlines()
    after = (tmp_path / path).read_text("utf-8").splitlines()
    assert len(set(after) - set(before)) == 1


def test_a_checkout_without_its_data_is_told_what_to_do(tmp_path: Path) -> None:
    clone = cloned(Project(ROOT, {"PWD": str(ROOT)}), str(tmp_path / "clone"))
    with pytest.raises(SystemExit, match="does not hold the data of the last commit: `make repro`"):
        sharing(clone, tmp_path / "empty")
