"""Every embedded recipe from its archive to its verdict, by real DVC.

With little data and few steps: that tuning helps is shown by the committed default, and of every
recipe in full by ``make bench name=recipes``. They are divided between two test files, so that two
processes share the work.
"""

import html
import json
from typing import Any

from testing.places import ROOT
from testing.project import Project, ran
from tools.rendering import recipe_values, render
from verdict.conversations import read_conversations
from verdict.predictions import read_predictions

#: The committed default is proved in test_committed.py and by `make bench name=repro`.
RECIPES = sorted(
    path.stem
    for path in (ROOT / "recipes" / "embedded").glob("*.yaml")
    if render(path) != (ROOT / "params.yaml").read_text("utf-8")
)

#: How every conclusion about tuning starts (``verdict.comparison.verdict``).
CONCLUSIONS = ("Tuning raised ", "Tuning lowered ", "Tuning could not be shown to change ")

#: Fewer data by task, with enough groups of every label left for a verdict: for that, BreakHis
#: needs more patients, with one image each.
_DATA: dict[str, dict[tuple[str, ...], Any]] = {
    "breakhis": {
        ("fetch", "embedded", "patients"): 320,
        ("fetch", "embedded", "images_per_patient"): 1,
        ("dataset", "magnifications"): [40],
    },
    "entity_resolution": {("fetch", "embedded", "entities"): 120},
    "follow_up": {("fetch", "embedded", "lesions"): 200},
    "medpix_vqa": {("fetch", "embedded", "cases"): 80},
    "melanoma": {("fetch", "embedded", "images"): 300},
}


def with_words(recipe: str) -> bool:
    """Say whether a recipe's answers are free text."""
    return _values(recipe)["format"]["answers"] is None


def shorten(project: Project) -> None:
    """Change the recipe in use so that there is little data and next to no learning."""
    values = project.read("params.yaml")
    project.edit(
        {
            **_DATA[values["task"]],
            ("models", "base", "embedded", "steps"): 2,
            ("train", "max_steps"): 2,
            ("train", "logging_steps"): 1,
            ("compare", "resamples"): 200,
            ("evaluate", "max_new_tokens"): 4,
            ("tracking", "trackers"): [],
        }
    )


def run_recipe(project: Project, recipe: str) -> None:
    """Run a shortened recipe, and see that nothing is missing."""
    project.run("python", "-m", "tools.recipe", "use", f"embedded/{recipe}")
    shorten(project)
    output = project.dvc("repro")
    # After two steps two recipes of a task may answer alike, and there is nothing new to compare.
    assert {"train", "evaluate@tuned", "report"} <= set(ran(output))
    values = project.read("params.yaml")
    numbers = json.loads((project.root / "metrics/report/comparison.json").read_text("utf-8"))
    assert numbers["synthetic"] is True
    asked, baselines = values["evaluate"]["models"], values["baselines"]
    few_shot = [name for name, model in asked.items() if "examples" in model]
    assert numbers["models"] == [name for name in asked if name not in few_shot]
    assert numbers["verdict"].startswith(CONCLUSIONS)
    assert numbers.get("trained_baselines", []) == [*few_shot, *baselines]
    for model in (*values["evaluate"]["models"], *baselines):
        validation = model in baselines or values["evaluate"]["validation"]
        _check_predictions(project, model, {"test": True, "validation": validation})
    for name in ("index.html", "comparison.md", "comparison.png", "model_card.md"):
        assert (project.root / "metrics/report" / name).stat().st_size > 0, name
    page = (project.root / "metrics/report/index.html").read_text("utf-8")
    assert numbers["verdict"] in html.unescape(page)
    assert "up to date" in project.dvc("status")
    project.commit(f"Run {recipe}")


def _check_predictions(project: Project, model: str, asked: dict[str, bool]) -> None:
    """See that a model has answered about every record of each split that it was asked about."""
    folder = project.root / "data/predictions"
    files = {
        "test": folder / f"{model}.parquet",
        "validation": folder / f"validation/{model}.parquet",
    }
    for split, is_asked in asked.items():
        records = read_conversations(project.root / f"data/chat/{split}.jsonl")
        expected = sorted(record.id for record in records) if is_asked else []
        assert records
        assert read_predictions(files[split]).table["id"].to_pylist() == expected, (model, split)


def _values(recipe: str) -> dict[str, Any]:
    return recipe_values(ROOT / "recipes" / "embedded" / f"{recipe}.yaml")
