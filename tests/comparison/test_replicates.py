import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    skin_models,
    text_models,
    written,
)
from verdict.comparison.intervals import Measured
from verdict.comparison.model import Comparison
from verdict.comparison.replicates import average
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions

AGAIN = ["again", "once_more"]


def trainings(*signals: float) -> list[Predictions]:
    """Return trainings of one model that came out differently well: tuned, again, …"""
    return [
        drawn(name, seed=10 + i, signal=signal)
        for i, (name, signal) in enumerate(zip(["tuned", *AGAIN], signals, strict=False))
    ]


@pytest.fixture(scope="module")
def models() -> list[Predictions]:
    base, _, reference = skin_models()
    return [base, *trainings(0.9, 1.2, 1.5), reference]


@pytest.fixture(scope="module")
def several(models: list[Predictions]) -> Comparison:
    return compare(models, **SETTINGS, replicates=AGAIN, noun="patients")


def constant(value: float | None, resamples: int = 20_000) -> Measured:
    filled = np.full(resamples, np.nan if value is None else value)
    return Measured({"accuracy": value}, {"accuracy": filled})


@pytest.mark.parametrize("values", [[0.6, 0.7], [0.6, 0.7, 0.9], [0.6, 0.65, 0.7, 0.9, 0.95]])
def test_seeds_alone_give_the_variance_of_a_mean(values: list[float]) -> None:
    mean, found = average([constant(v) for v in values], ["accuracy"], 0.95, 0)
    assert mean.values["accuracy"] == pytest.approx(statistics.mean(values))
    assert found.deviations["accuracy"] == pytest.approx(statistics.stdev(values), abs=1e-6)
    resampled = mean.resampled["accuracy"]
    assert resampled.mean() == pytest.approx(statistics.mean(values), abs=0.003)
    expected = statistics.variance(values) / len(values)
    assert resampled.var() == pytest.approx(expected, rel=0.05)


def test_groups_are_drawn_with_the_seeds() -> None:
    """Trainings that agree on every resample have the interval of one of them."""
    one = Measured({"accuracy": 0.7}, {"accuracy": np.random.default_rng(0).normal(0.7, 0.1, 999)})
    mean, found = average([one, one, one], ["accuracy"], 0.95, 0)
    np.testing.assert_allclose(mean.resampled["accuracy"], one.resampled["accuracy"])
    assert found.deviations["accuracy"] == 0


def test_undefined_for_one_is_undefined_for_the_mean() -> None:
    mean, found = average([constant(0.5), constant(None)], ["accuracy"], 0.95, 0)
    assert mean.values["accuracy"] is None
    assert found.deviations["accuracy"] is None
    assert found.metrics["accuracy"].low is None


def test_the_verdict_rests_on_the_mean(models: list[Predictions], several: Comparison) -> None:
    flat: dict[str, Any] = several.flat()
    assert several.verdict.sentence.endswith("patients, mean of 3 training seeds).")
    values = [flat[f"{name}.balanced_accuracy"] for name in ("tuned", *AGAIN)]
    mean = flat["replicated.balanced_accuracy"]
    assert mean == pytest.approx(statistics.mean(values), abs=1e-6)
    assert f" to {mean:.2f} (" in several.verdict.sentence or f"{mean:.3f}" in (
        several.verdict.sentence
    )
    expected = pytest.approx(statistics.stdev(values), abs=2e-6)
    assert flat["replicated.balanced_accuracy_sd"] == expected
    name = "replicated_minus_base.balanced_accuracy"
    assert flat[name] == pytest.approx(mean - flat["base.balanced_accuracy"], abs=2e-6)
    assert flat[f"{name}_low"] < flat[name] < flat[f"{name}_high"]
    assert flat[f"{name}_p"] < 0.05
    assert flat["replicates"] == AGAIN
    assert flat["models"] == [p.model for p in models]
    assert flat["replicated_minus_majority.accuracy"] == pytest.approx(
        flat["replicated.accuracy"] - flat["majority.accuracy"], abs=2e-6
    )


def test_seeds_that_disagree_widen_the_interval(several: Comparison) -> None:
    base = skin_models()[0]
    alike = [drawn(name, seed=10, signal=1.2) for name in ("tuned", *AGAIN)]
    calm = compare([base, *alike], **SETTINGS, replicates=AGAIN).flat()
    wild = several.flat()

    def width(flat: dict[str, Any], pair: str) -> float:
        name = f"{pair}.balanced_accuracy"
        return flat[f"{name}_high"] - flat[f"{name}_low"]

    assert calm["replicated.balanced_accuracy_sd"] == 0
    for end in ("", "_low", "_high", "_p"):
        key = f"balanced_accuracy{end}"
        assert calm[f"replicated_minus_base.{key}"] == calm[f"tuned_minus_base.{key}"]
    assert wild["replicated.balanced_accuracy_sd"] > 0.03
    assert width(wild, "replicated_minus_base") > 1.1 * width(calm, "replicated_minus_base")


def test_seeds_far_enough_apart_carry_no_claim() -> None:
    """Each training alone would have been called a success or a failure."""
    base = drawn("base", seed=1, signal=0.8)
    models = trainings(2.5, 0.0)
    alone = compare([base, models[0]], **SETTINGS)
    assert alone.verdict.outcome == "raised"
    both = compare([base, *models], **SETTINGS, replicates=["again"])
    assert both.verdict.outcome == "unchanged"


def test_replicates_are_no_models_to_compare_with(
    models: list[Predictions], several: Comparison
) -> None:
    pairs = [(d.first, d.second) for d in several.differences]
    others = [("tuned", "base"), ("tuned", "reference"), ("reference", "base")]
    assert pairs == [("replicated", "base"), *others]
    plain = compare([p for p in models if p.model not in AGAIN], **SETTINGS, noun="patients")
    assert several.differences[1:] == plain.differences
    assert several.differences[0].p_holm is None
    headline = several.headline()
    assert len(headline) <= 12
    assert not any(name in key for name in AGAIN for key in headline)
    flat = several.flat()
    assert headline["mean"] == flat["replicated.balanced_accuracy"]
    assert headline["sd"] == flat["replicated.balanced_accuracy_sd"]
    assert headline["gain_low"] == flat["replicated_minus_base.balanced_accuracy_low"]


def test_the_same_seed_gives_the_same_numbers(
    models: list[Predictions], several: Comparison
) -> None:
    again = compare(models, **SETTINGS, replicates=AGAIN, noun="patients")
    assert again.flat() == several.flat()


def test_merged_labels_and_texts_have_replicates_too() -> None:
    base, tuned = text_models()
    again = written("again", seed=3, right=0.5)
    flat = compare([base, tuned, again], **SETTINGS, replicates=["again"]).flat()
    assert "mean of 2 training seeds" in str(flat["verdict"])
    assert flat["replicated_minus_base.token_f1_low"] is not None
    models = [skin_models()[0], *trainings(0.9, 1.2)]
    merge = {"harmless": ["benign"], "harmful": ["melanoma"]}
    merged = compare(
        models, **SETTINGS, replicates=["again"], merge=merge, merge_positive="harmful"
    )
    flat = merged.flat()
    key = "replicated_minus_base.balanced_accuracy_low"
    assert flat[f"merged.{key}"] == flat[key]


@pytest.mark.parametrize(
    ("replicates", "problem"),
    [
        (["twin"], "the replicate twin has no predictions; there are base, tuned, reference"),
        (["tuned"], "tuned is the candidate and a replicate at once"),
        (["base"], "base is the baseline and a replicate at once"),
    ],
)
def test_replicates_must_make_sense(replicates: list[str], problem: str) -> None:
    with pytest.raises(VerdictError, match=problem):
        compare(skin_models(), **SETTINGS, replicates=replicates)


def test_replicates_were_asked_the_same(models: list[Predictions]) -> None:
    fewer = [replace(p, table=p.table.slice(3)) if p.model == "again" else p for p in models]
    with pytest.raises(VerdictError, match="3 missing from again"):
        compare(fewer, **SETTINGS, replicates=AGAIN)


def test_no_records() -> None:
    empty = [p.part(np.zeros(600, bool)) for p in (skin_models()[0], *trainings(0.9, 1.2))]
    comparison = compare(empty, **SETTINGS, replicates=["again"])
    assert comparison.verdict.outcome == "none"
    assert comparison.flat()["replicated.balanced_accuracy"] is None
