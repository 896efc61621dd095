"""The share of unfinished thoughts is a metric where a model thought, and stands nowhere else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.samples import SETTINGS, compare, skin_models, text_models, tissue_models
from tests.report.projects import MERGE, build
from tests.report.reading import Cells, page
from verdict.comparison.file import read_comparison
from verdict.core.files import write_json
from verdict.parse import UNFINISHED
from verdict.predictions import Predictions, make_predictions
from verdict.statistics.measurement import measure
from verdict.statistics.metrics import METRICS
from verdict.summary.markdown import comparison_markdown

NAME = "unfinished_rate"
MODELS = {"binary": skin_models, "multiclass": tissue_models, "text": text_models}


def thinking(predictions: Predictions, unfinished: int) -> Predictions:
    """Let a model think about every record, and not end with the first so many thoughts."""
    rows = [row | {"thought": "Hm."} for row in predictions.table.to_pylist()]
    for row in rows[:unfinished]:
        row |= {"generated": "", "parsed": None, "invalid_reason": UNFINISHED}
    about = predictions.labels, predictions.positive
    return make_predictions(predictions.model, *about, rows, predictions.length_normalization)


def models(kind: str) -> list[Predictions]:
    """One model that thinks, beside others that do not."""
    base, tuned, *others = MODELS[kind]()
    return [base, thinking(tuned, 12), *others]


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_counted_compared_and_shown(kind: str, tmp_path: Path) -> None:
    made = models(kind)
    share = 12 / len(made[1])
    assert measure(made[1]).values()[NAME] == pytest.approx(share, abs=2e-6)
    assert NAME not in measure(made[0]).values()
    assert (measure(made[1]).values()["invalid_rate"] or 0) >= share - 2e-6

    found = compare(made, **SETTINGS)
    flat = found.flat()
    assert flat["thinking"] is True
    assert flat[f"tuned.{NAME}"] == pytest.approx(share, abs=2e-6)
    assert flat[f"tuned.{NAME}_low"] < share < flat[f"tuned.{NAME}_high"]
    assert flat[f"base.{NAME}"] == 0
    assert f"majority.{NAME}" not in flat
    write_json(tmp_path / "comparison.json", found.to_json())
    assert read_comparison(tmp_path / "comparison.json") == found
    assert "A thought that did not end has no answer" in comparison_markdown(found)
    rows = [line.strip("| ").split(" | ") for line in comparison_markdown(found).splitlines()]
    header = next(row for row in rows if METRICS[NAME].title in row)
    tuned = next(row for row in rows if row[0].startswith("tuned"))
    assert tuned[header.index(METRICS[NAME].title)].startswith(f"{100 * share:.1f} %")
    assert "thought" not in comparison_markdown(
        compare([made[0], *made[2:], skin(kind)], **SETTINGS)
    )


def skin(kind: str) -> Predictions:
    return {"binary": skin_models, "multiclass": tissue_models, "text": text_models}[kind]()[1]


def test_merged_labels_have_it_too() -> None:
    options: dict[str, Any] = {"merge": MERGE, "merge_positive": "malignant"} | SETTINGS
    flat = compare(models("multiclass"), **options).flat()
    assert flat[f"merged.tuned.{NAME}"] == flat[f"tuned.{NAME}"] > 0


def test_the_page_has_a_row_for_it(tmp_path: Path) -> None:
    build(tmp_path, models("binary"), task="melanoma")
    row = Cells(page(tmp_path)).row("Unfinished thoughts")
    assert row[1].startswith("2.0 %")
    numbers = json.loads((tmp_path / "metrics/report/comparison.json").read_text("utf-8"))
    assert np.isclose(numbers[f"tuned.{NAME}"], 0.02)
