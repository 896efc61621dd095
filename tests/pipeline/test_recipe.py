"""Switching between two recipes and back: models are neither trained nor asked a second time."""

from collections.abc import Callable

import pytest

from testing.project import SMALL, Project, Small, ran
from verdict.core.yaml12 import dump_yaml


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project], small: Small) -> Project:
    """Recipe ``one`` (small) after its run; ``two`` is the same with one model fewer to compare.

    What the small recipe has made comes from its cache: this is about what is made afterwards.
    """
    project = small.share_cache(clone("recipes"))
    base = {"model": "models/base", "adapter": "models/base/config.json"}
    project.edit({**SMALL, ("evaluate", "models", "reference"): base})
    values = project.read("params.yaml")
    del values["models"]["reference"]
    one = dump_yaml(values)
    del values["evaluate"]["models"]["reference"]
    two = dump_yaml(values)
    for path, text in (("recipes/one.yaml", one), ("recipes/two.yaml", two), ("params.yaml", one)):
        (project.root / path).write_text(text, "utf-8")
    assert made(project) == ["evaluate@reference", "compare", "report"]
    project.commit("Run recipe one")
    return project


def made(project: Project) -> list[str]:
    """Run the pipeline; return the stages that ran but ``check``, which the cache may know."""
    return [stage for stage in ran(project.dvc("repro")) if stage != "check"]


def use(project: Project, name: str) -> str:
    return project.run("python", "-m", "tools.recipe", "use", name).stdout


def test_there_and_back_computes_nothing_twice(project: Project) -> None:
    first = (project.root / "dvc.lock").read_text()
    said = use(project, "two")
    assert "models.reference.model: models/base → (none)" in said
    assert "data/predictions/reference.parquet" in said
    assert "data/predictions/validation/reference.parquet" in said
    assert made(project) == ["compare", "report"]
    lock = project.read("dvc.lock")
    (compared,) = (
        dep for dep in lock["stages"]["compare"]["deps"] if dep["path"] == "data/predictions"
    )
    assert compared["nfiles"] == 6, "compare has seen this recipe's predictions alone"
    assert not (project.root / "metrics/reference.json").exists()

    assert "data/predictions" not in use(project, "one"), "nothing to remove this way round"
    # DVC has no run cache for a stage whose outputs are all in git; these take seconds.
    assert made(project) == ["compare", "report"]
    assert (project.root / "dvc.lock").read_text() == first
    assert project.run("git", "status", "--porcelain").stdout == ""  # all is as committed
    assert "up to date" in project.dvc("status")


def test_make_repro_switches_first(project: Project) -> None:
    shown = project.run("make", "--dry-run", "repro", "recipe=embedded/melanoma").stdout
    use_line = "python -m tools.recipe use 'embedded/melanoma'\n"
    assert use_line + "python -m tools.recipe check\ndvc repro\n" in shown
    assert "tools.recipe use" not in project.run("make", "--dry-run", "repro").stdout
