from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    predictions_from,
    text_models,
    tissue_models,
)
from verdict.comparison.inputs import merge_labels
from verdict.core.errors import VerdictError
from verdict.params.evaluation import Compare
from verdict.statistics.measurement import measure

MERGE = {"benign": TISSUE[:4], "malignant": TISSUE[4:]}
LABELS = ("a", "b", "c")


def test_probabilities_are_added_up() -> None:
    """Two middling labels together beat the likeliest one."""
    p = predictions_from(
        "m",
        [0, 1, 2, 2],
        np.log([[0.4, 0.3, 0.3], [0.4, 0.35, 0.25], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]),
        labels=LABELS,
        positive=None,
        parsed=[0, -1, 2, 1],
    )
    merged = merge_labels(p, {"other": ["c", "b"], "first": ["a"]}, "first")
    assert merged.labels == ("other", "first")
    assert merged.positive == "first"
    np.testing.assert_allclose(
        np.exp(merged.log_probabilities), [[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.5, 0.5]]
    )
    assert merged.actual.tolist() == [1, 0, 0, 0]
    assert merged.predicted.tolist() == [0, 0, 0, 0]
    assert merged.parsed.tolist() == [1, -1, 0, 0]
    assert merged.generated.tolist() == p.generated.tolist()
    assert measure(merged).values()["recall"] == 0


def test_the_comparison_is_made_a_second_time() -> None:
    models = tissue_models()
    plain = compare(models, **SETTINGS)
    both = compare(models, **SETTINGS, merge=MERGE, merge_positive="malignant")
    flat: dict[str, Any] = both.flat()
    assert plain.flat().items() <= flat.items()
    again = compare([merge_labels(p, MERGE, "malignant") for p in models], **SETTINGS)
    for key, value in again.flat().items():
        assert flat[f"merged.{key}"] == value, key
    assert flat["merged.tuned.accuracy"] > flat["tuned.accuracy"]
    added = both.headline().keys() - plain.headline().keys()
    assert {"merged.accuracy.tuned", "merged.tuned", "merged.gain_low"} <= added
    assert all(key.startswith("merged.") for key in added)
    assert flat["merged.majority.recall"] == 1


@pytest.mark.parametrize(
    ("merge", "problem"),
    [
        ({"x": ["a"], "y": ["b"]}, r"compare\.merge: c is in no list; every one of a, b, c"),
        ({"x": ["a", "b"], "y": ["b", "c"]}, "b is in several lists"),
        ({"x": ["a", "b"], "y": ["c", "d"]}, "d is no label"),
    ],
)
def test_every_label_has_one_place(merge: dict[str, list[str]], problem: str) -> None:
    p = predictions_from("m", [0], np.zeros((1, 3)), labels=LABELS, positive=None)
    with pytest.raises(VerdictError, match=problem):
        merge_labels(p, merge, "x")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"merge": {"x": ["a"], "y": ["a"]}}, "merge lists a twice"),
        ({"merge": {"x": ["a", "b"]}}, "merge has one new label; two or more are needed"),
        ({"merge": {"x": ["a"], "y": ["b"]}}, "merge_positive is None, which is not one of"),
        ({"merge_positive": "x"}, "merge_positive must be null unless merge has two new labels"),
        ({"subgroups": ["sex", "sex"]}, "subgroups names an attribute twice"),
        ({"merge": {"x": ["a"], "y": ["b"]}, "merge_positive": "y", "subgroups": ["sex"]}, None),
        ({"merge": {"x": ["a"], "y": ["b"], "z": ["c"]}}, None),
    ],
)
def test_parameters_are_checked(values: dict[str, Any], problem: str | None) -> None:
    given = {"baseline": "base", "groups_are": "patients", "resamples": 1000, "confidence": 0.95}
    nothing: dict[str, Any] = {"seed": 0, "merge": {}, "merge_positive": None, "subgroups": []}
    nothing["tries"] = 1
    nothing |= dict.fromkeys(("sensitivity", "cost", "coverage"))
    if problem is None:
        assert Compare.model_validate({**given, **nothing, **values})
    else:
        with pytest.raises(ValidationError, match=problem):
            Compare.model_validate({**given, **nothing, **values})


def test_texts_have_no_labels_to_merge() -> None:
    with pytest.raises(VerdictError, match="this task is free text"):
        compare(text_models(), **SETTINGS, merge=MERGE, merge_positive="malignant")
