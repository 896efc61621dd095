from typing import Any

import numpy as np

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    from_counts,
    predictions_from,
    skin_models,
    texts_from,
    tissue_models,
)
from verdict.comparison.cautions import cautions, crossing_warning
from verdict.predictions import Predictions, make_predictions


def answered(predictions: Predictions, answers: dict[str, str], scored: str) -> Predictions:
    """Return the predictions with other answers to its labels, scored so."""
    rows = predictions.table.to_pylist()
    for row in rows:
        row["answer"] = answers[row["label"]]
    return make_predictions(
        predictions.model, predictions.labels, predictions.positive, rows, scored
    )


def test_nothing_is_said_where_all_is_well() -> None:
    assert cautions(skin_models(), "patients") == []


def test_a_model_that_cannot_answer() -> None:
    """All invalid, and the shortest answer always wins."""
    silent = predictions_from(
        "base", [0, 1] * 40, np.log([[0.9, 0.1]] * 80), parsed=np.full(80, -1)
    )
    answers = {"benign": "no", "melanoma": "malignant melanoma of the skin"}
    assert cautions([answered(silent, answers, "none")], "patients") == [
        "base gives one answer to everything: 'benign'",
        "100 % of what base wrote is no answer that can be read, mostly: no label in the answer",
        "'malignant melanoma of the skin' is much longer than 'no', and a longer answer is less "
        "likely in itself: set evaluate.length_normalization to tokens, or take answers of about "
        "equal length",
    ]
    assert len(cautions([answered(silent, answers, "tokens")], "patients")) == 2
    alike = {"benign": "benign", "melanoma": "melanoma"}
    assert len(cautions([answered(silent, alike, "none")], "patients")) == 2


def test_one_text_to_everything_and_empty_texts() -> None:
    same = texts_from("base", [("A scan.", reference) for reference in ("axial", "CT") * 20])
    empty = texts_from("tuned", [("" if i % 4 else "axial", "axial") for i in range(40)])
    assert cautions([same], "cases") == ["base gives one answer to everything: 'a scan'"]
    assert cautions([empty], "cases") == ["75 % of what tuned wrote is empty"]


def test_few_groups_and_few_positives() -> None:
    few = from_counts("base", 5, 5, 40, 5)
    assert cautions([few], "patients") == [
        "Of patients with melanoma there are only 10, so one or two of them can turn the result"
    ]
    fewer = predictions_from("base", [0, 1] * 30, np.zeros((60, 2)) - [0.1, 0.2] * np.array(
        [[1, 1], [5, 1]] * 30), groups=[i // 4 for i in range(60)])  # fmt: skip
    assert cautions([fewer], "patients") == [
        "Of patients there are only 15, so one or two of them can turn the result"
    ]
    # Too few for a verdict: then it says so itself.
    assert cautions([from_counts("base", 3, 0, 40, 0)], "patients") == []


def test_what_the_splits_share_is_told() -> None:
    split: dict[str, Any] = {"test": {"groups": 223}}
    counts = {"groups": 1473, "test_groups": 25, "identical": 0, "duplicate_pairs": 0}
    assert crossing_warning(split, "entities") is None
    assert crossing_warning(split | {"crosses_splits": dict.fromkeys(counts, 0)}, "e") is None
    assert crossing_warning(split | {"crosses_splits": counts}, "entities") == (
        "The splits overlap (split.crossing): 1,473 entities are in more than one split, 25 of "
        "the 223 of the test split among them. Seen before is answered better"
    )


def test_a_comparison_carries_them_once() -> None:
    models = [from_counts("base", 0, 0, 60, 40), from_counts("tuned", 30, 5, 55, 10)]
    comparison = compare(models, **SETTINGS, warnings=["first"])
    assert comparison.warnings == ("first", "base gives one answer to everything: 'benign'")
    merge = {"benign": TISSUE[:4], "malignant": TISSUE[4:]}
    merged = compare(tissue_models(), **SETTINGS, merge=merge, merge_positive="malignant").merged
    assert merged is not None
    assert merged.warnings == ()
