"""A switch of recipes leaves nothing that DVC would mistake, and removes nothing that is lost."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.switching import edit, git
from tools.recipe import use
from verdict.core.errors import VerdictError
from verify.pipeline import digest_of_listing


def without_reference(project: Path) -> None:
    """Add the recipe ``two``: the embedded one, but only base and tuned are evaluated."""
    values = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    del values["evaluate"]["models"]["reference"]
    (project / "recipes" / "two.yaml").write_text(yaml.safe_dump(values), "utf-8")


def evaluated(project: Path, name: str, stage: str = "evaluate") -> list[Path]:
    """Write what an evaluation (or a baseline) writes, and record it in dvc.lock."""
    lock = project / "dvc.lock"
    stages: dict[str, Any] = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
    paths = [
        project / f"data/predictions/{name}.parquet",
        project / f"metrics/{name}.json",
        project / f"metrics/plots/confusion_{name}.csv",
    ]
    outs = []
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} in {path.name}")
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        outs.append({"path": path.relative_to(project).as_posix(), "md5": md5})
    stages[f"{stage}@{name}"] = {"cmd": "python", "outs": outs}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return paths


def test_what_no_model_of_the_new_recipe_wrote_is_removed(project: Path) -> None:
    without_reference(project)
    kept = [path for name in ("base", "tuned") for path in evaluated(project, name)]
    kept += evaluated(project, "boosting", "baseline")
    stale = evaluated(project, "reference") + evaluated(project, "words", "baseline")
    other = project / "metrics" / "train.json"
    other.write_text("{}")
    said = use("two").replace("\n", " ")
    for path in stale:
        assert not path.exists()
        assert path.relative_to(project).as_posix() in said
    assert "run `dvc repro`, and they are here again" in said
    assert "or in git" not in said
    assert all(path.exists() for path in [*kept, other])


def test_metrics_of_a_former_run_that_git_has_may_go(project: Path) -> None:
    without_reference(project)
    paths = evaluated(project, "reference")
    git("add", "--all")
    git("commit", "--quiet", "-m", "A run")
    (project / "dvc.lock").unlink()
    assert "They are in DVC's cache or in git" in use("two").replace("\n", " ")
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_could_not_be_brought_back_stops_the_switch(project: Path, number: int) -> None:
    without_reference(project)
    paths = evaluated(project, "reference")
    paths[number].write_text("another run")
    edit(project / "params.yaml", "  r: 16\n", "  r: 24\n")
    content = (project / "params.yaml").read_bytes()
    with pytest.raises(VerdictError, match=rf"{paths[number].name} belongs to a model that two "):
        use("two")
    assert (project / "params.yaml").read_bytes() == content
    assert all(path.exists() for path in paths)
    assert not (project / "recipes" / "mine").exists()


def test_predictions_unknown_to_dvc_stop_the_switch(project: Path) -> None:
    path = project / "data/predictions/mine.parquet"
    path.parent.mkdir(parents=True)
    path.write_text("by hand")
    with pytest.raises(VerdictError, match=r"data/predictions/mine\.parquet belongs to a model"):
        use("melanoma")
    assert path.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"<<<<<<< HEAD\nstages: [1\n", b"- a list", b"", b"stages: [a]", b"stages: {1: {}}",
        b"stages: {evaluate@a: b}", b"stages: {evaluate@a: {outs: [{path: 1}]}}",
        b"stages: \xff", b"stages: 2020-13-45", b"[" * 5000,
    ],
)  # fmt: skip
def test_a_lock_that_dvc_did_not_write_stops_the_switch(project: Path, text: bytes) -> None:
    content = (project / "params.yaml").read_bytes()
    (project / "dvc.lock").write_bytes(text)
    with pytest.raises(VerdictError, match=r"^dvc\.lock is not as DVC writes it"):
        use("melanoma")
    assert (project / "params.yaml").read_bytes() == content


def asked(project: Path, name: str) -> Path:
    """Write what was asked about a test set from elsewhere, and record it in dvc.lock."""
    folder = project / f"data/predictions/outside/{name}"
    folder.mkdir(parents=True)
    (folder / "tuned.parquet").write_text(name)
    lock = project / "dvc.lock"
    stages = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
    md5 = digest_of_listing({"tuned.parquet": hashlib.md5(name.encode()).hexdigest()})
    out = {"path": folder.relative_to(project).as_posix(), "md5": md5}
    stages[f"evaluate_outside@{name}"] = {"cmd": "python", "outs": [out]}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return folder


def test_predictions_on_a_set_that_the_new_recipe_has_not_are_removed(project: Path) -> None:
    without_reference(project)
    evaluated(project, "tuned")
    folder = asked(project, "second_hospital")
    assert folder.relative_to(project).as_posix() in use("two").replace("\n", " ")
    assert not folder.exists()


def test_edited_predictions_on_a_set_stop_the_switch(project: Path) -> None:
    without_reference(project)
    folder = asked(project, "second_hospital")
    (folder / "mine.parquet").write_text("mine")
    with pytest.raises(VerdictError, match=r"second_hospital belongs to a set that two does not"):
        use("two")
    assert folder.exists()
