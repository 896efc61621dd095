"""Every embedded recipe from its archive to its verdict, by real DVC.

The recipes are divided between two test files, so that two processes share the work.
"""

import json
from pathlib import Path

import yaml

from tests.conftest import ROOT
from tests.pipeline.conftest import Project, ran

#: The committed default is proved in test_committed.py and by `make bench name=repro`.
RECIPES = sorted(
    path.stem
    for path in (ROOT / "recipes" / "embedded").glob("*.yaml")
    if path.read_bytes() != (ROOT / "params.yaml").read_bytes()
)


def with_words(recipe: str) -> bool:
    """Say whether a recipe's answers are free text."""
    path = ROOT / "recipes" / "embedded" / f"{recipe}.yaml"
    return yaml.safe_load(path.read_text("utf-8"))["format"]["answers"] is None


def check_recipe(project: Project, recipe: str) -> None:
    """Run a recipe, and see that tuning is shown to help."""
    project.run("python", "-m", "tools.recipe", "use", f"embedded/{recipe}")
    output = project.dvc("repro")
    assert "train" in ran(output)
    numbers = json.loads((project.root / "metrics/report/comparison.json").read_text("utf-8"))
    assert numbers["synthetic"] is True
    decisive = "token_f1" if with_words(recipe) else "balanced_accuracy"
    assert numbers[f"tuned_minus_base.{decisive}_low"] > 0
    assert numbers["verdict"].startswith("Tuning raised ")
    assert "up to date" in project.dvc("status")
    project.commit(f"Run {recipe}")


def share_cache(project: Project, base_temp: Path) -> None:
    """Let clones of one test run share a DVC cache, so that a model is built once."""
    folder = base_temp.parent if base_temp.name.startswith("popen-") else base_temp
    project.dvc("cache", "dir", "--local", str(folder / "dvc-cache"))
