"""Intervals where no resample differs: never without width, and right against published ones."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from testing.samples import (
    SETTINGS,
    compare,
    from_counts,
    predictions_from,
    texts_from,
)
from tests.report.projects import _elsewhere, changed
from verdict.comparison.intervals import interval
from verdict.statistics.proportions import Proportion, effective_size


def test_15_of_15_is_clopper_and_pearsons() -> None:
    exact = binomtest(15, 15).proportion_ci(0.95, "exact")
    low, high = interval(1.0, [Proportion(1.0, 15)], 0.95)
    assert (low, high) == pytest.approx((exact.low, exact.high))
    assert low == pytest.approx(0.782, abs=5e-4)


def test_newcombes_difference() -> None:
    """0 of 10 and 10 of 10, by Clopper and Pearson instead of Wilson."""
    own = binomtest(10, 10).proportion_ci(0.95, "exact").low
    low, high = interval(1.0, [Proportion(1.0, 10), Proportion(0.0, 10, -1)], 0.95)
    assert low == pytest.approx(1 - np.sqrt(2) * (1 - own))
    assert high == 1


def test_effective_size() -> None:
    actual = np.zeros(12, int)
    scores = np.zeros((12, 2))
    every = np.ones(12, bool)
    assert effective_size(predictions_from("m", actual, scores), every) == 12
    clustered = predictions_from("m", actual, scores, groups=np.repeat(range(3), 4))
    assert effective_size(clustered, every) == 3
    assert effective_size(clustered, np.arange(12) < 4) == 1
    unequal = predictions_from("m", actual, scores, groups=[0] * 9 + [1, 2, 3])
    assert effective_size(unequal, every) == pytest.approx(144 / 84)
    # Each record links two groups of its own; then all of them share one.
    apart = predictions_from("m", actual, scores, groups=range(12), others=range(12, 24))
    assert effective_size(apart, every) == 12
    shared = predictions_from("m", actual, scores, groups=[0] * 12, others=range(1, 13))
    assert effective_size(shared, every) == 1


def test_no_interval_of_a_table_lacks_width() -> None:
    """All right against all wrong: 15 patients of each label."""
    sex = {"attributes": lambda i: {"sex": "female" if i < 30 else "male"}}
    models = [from_counts("base", 0, 15, 0, 15, **sex), from_counts("tuned", 15, 0, 15, 0, **sex)]
    comparison = compare(
        models,
        **SETTINGS,
        subgroups=["sex"],
        sensitivity=0.9,
        validation=[changed(m, _elsewhere) for m in models],
    )
    flat: dict[str, Any] = comparison.flat()
    lows = {name: low for name, low in flat.items() if name.endswith("_low") and low is not None}
    assert "tuned.f1_low" not in lows
    assert len(lows) > 20
    for name, low in lows.items():
        assert low < flat[f"{name.removesuffix('low')}high"], name
    assert flat["tuned.recall_low"] == flat["tuned.specificity_low"] == pytest.approx(0.781981)
    assert flat["tuned.accuracy_low"] == pytest.approx(0.884297)
    assert flat["base.recall_high"] == pytest.approx(1 - 0.781981)
    expected = 1 - np.sqrt(2 * (1 - 0.781981) ** 2) / 2
    assert flat["tuned.balanced_accuracy_low"] == pytest.approx(expected, abs=1e-6)
    assert (
        flat["tuned.auroc_low"] == flat["tuned.at_threshold.recall_low"] == pytest.approx(0.781981)
    )
    assert flat["tuned_minus_base.balanced_accuracy"] == 1
    assert 0.7 < flat["tuned_minus_base.balanced_accuracy_low"] < 1
    assert "CI 1.00 to 1.00" not in comparison.verdict.sentence
    part = comparison.subgroups[0].models["tuned"]["balanced_accuracy"]
    assert part.low is not None
    assert part.low < 0.9
    assert part.high == 1


def test_a_constant_model_is_not_certain() -> None:
    models = [from_counts(name, 0, 0, 60, 20) for name in ("base", "tuned")]
    flat: dict[str, Any] = compare(models, **SETTINGS).flat()
    assert flat["tuned.balanced_accuracy_low"] < 0.5 < flat["tuned.balanced_accuracy_high"]
    assert flat["tuned.balanced_accuracy_high"] - flat["tuned.balanced_accuracy_low"] < 0.15
    assert flat["tuned.recall_high"] == pytest.approx(
        binomtest(0, 20).proportion_ci().high, abs=1e-6
    )


def test_records_of_one_group_count_once() -> None:
    groups = np.repeat(range(30), 4)
    models = [from_counts(name, 60, 0, 60, 0, groups=groups) for name in ("base", "tuned")]
    flat: dict[str, Any] = compare(models, **SETTINGS).flat()
    expected = binomtest(15, 15).proportion_ci().low
    assert flat["tuned.recall_low"] == pytest.approx(expected, abs=1e-6)
    assert flat["tuned.group_accuracy_low"] == pytest.approx(
        binomtest(30, 30).proportion_ci().low, abs=1e-6
    )


def test_texts() -> None:
    pairs = [("yes", "yes"), ("Axial", "axial")] * 15
    models = [texts_from(name, pairs) for name in ("base", "tuned")]
    flat: dict[str, Any] = compare(models, **SETTINGS).flat()
    assert flat["tuned.closed_accuracy_low"] == pytest.approx(0.781981)
    for metric in ("token_f1", "exact_match", "rouge_l"):
        assert flat[f"tuned.{metric}_low"] == pytest.approx(0.884297), metric
    assert flat["tuned.invalid_rate_high"] == pytest.approx(1 - 0.884297)
