"""Every embedded recipe from its archive to its verdict, by real DVC in one clone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.pipeline.conftest import Project, ran

#: The committed default is proved in test_committed.py and by `make bench name=repro`.
RECIPES = sorted(
    path.stem
    for path in (ROOT / "recipes" / "embedded").glob("*.yaml")
    if path.read_bytes() != (ROOT / "params.yaml").read_bytes()
)


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project]) -> Project:
    """One clone, so that models which recipes share are built once."""
    return clone("recipes")


@pytest.mark.parametrize("recipe", RECIPES)
def test_tuning_is_shown_to_help(project: Project, recipe: str) -> None:
    project.run("python", "-m", "tools.recipe", "use", f"embedded/{recipe}")
    output = project.dvc("repro")
    assert "train" in ran(output)
    comparison = _json(project.root / "metrics" / "report" / "comparison.json")
    assert comparison["synthetic"] is True
    decisive = (
        "token_f1" if comparison.get("tuned.balanced_accuracy") is None else ("balanced_accuracy")
    )
    difference = f"tuned_minus_base.{decisive}"
    assert comparison[f"{difference}_low"] > 0
    assert comparison["verdict"].startswith("Tuning raised ")
    assert "up to date" in project.dvc("status")
    project.commit(f"Run {recipe}")


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))
