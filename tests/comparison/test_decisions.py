"""Decisions of whole comparisons: what is there, what is not, and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    drawn_pairs,
    from_counts,
    skin_models,
    tissue_models,
)
from tests.report.projects import MERGE, _elsewhere, changed
from verdict.comparison.decision_results import Decisions
from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate
from verdict.core.files import write_json
from verdict.predictions import Predictions
from verdict.statistics.decisions import treat_all

FEW = SETTINGS | {"resamples": 300}
ASKED: dict[str, Any] = {"cost": 5.0, "coverage": 0.7}


def elsewhere(models: list[Predictions]) -> list[Predictions]:
    return [changed(p, _elsewhere) for p in models]


def decided(comparison: Comparison) -> Decisions:
    assert comparison.decisions is not None
    return comparison.decisions


def estimates(found: object) -> Iterator[Estimate]:
    """Yield every estimate in the parts of ``Decisions``."""
    if isinstance(found, Estimate):
        yield found
    elif isinstance(found, dict | list):
        for part in found.values() if isinstance(found, dict) else found:
            yield from estimates(part)
    elif hasattr(found, "__dataclass_fields__"):
        yield from estimates(vars(found))


@pytest.fixture(scope="module")
def skin() -> Comparison:
    models = skin_models()
    options = {"sensitivity": 0.9, "subgroups": ["sex", "age"]} | ASKED
    return compare(models, **FEW, validation=elsewhere(models), **options)


def test_every_model_has_every_part(skin: Comparison) -> None:
    found = decided(skin)
    models = ["base", "tuned", "reference"]
    assert found.obstacle is None
    assert (found.validation_records, found.validation_groups) == (600, 145)
    assert found.curves is not None
    for part in (
        found.recalibration, found.curves.stated, found.curves.recalibrated, found.abstention,
        found.thresholds, found.risk_coverage.risk,
    ):  # fmt: skip
        assert list(part) == models
    assert (found.cost, found.coverage) == (5.0, 0.7)
    own = found.recalibration["base"]
    assert list(own.methods) == ["stated", "temperature", "platt", "isotonic"]
    scores = {name: one.validation_brier for name, one in own.methods.items()}
    assert own.chosen == min(scores, key=lambda name: scores[name])
    # The base is biased; here validation is the test again, so that every map mends it.
    for name, one in own.methods.items():
        if name != "stated":
            assert one.change.high is not None
            assert one.change.high < 0
    for name in ("platt", "isotonic"):  # A temperature does not mend a bias.
        assert own.methods[name].bias.value == pytest.approx(0, abs=0.02)


def test_numbers_are_those_of_the_models_tables(skin: Comparison) -> None:
    found = decided(skin)
    for model, metrics in skin.models.items():
        stated = found.recalibration[model].methods["stated"]
        assert stated.brier == metrics["brier"]
        assert stated.expected_calibration_error == metrics["expected_calibration_error"].value
        assert stated.change == Estimate(None)
        accuracy, risk = metrics["accuracy"], found.risk_coverage.risk[model]
        assert found.risk_coverage.answered[model][0] == 1
        for one, other in (
            (risk.values[0], accuracy.value), (risk.low[0], accuracy.high),
            (risk.high[0], accuracy.low),
        ):  # fmt: skip
            assert one is not None
            assert other is not None
            assert one == pytest.approx(1 - other, abs=2e-6)


def test_thresholds_are_chosen_on_validation_and_applied_to_the_test() -> None:
    models = skin_models()
    validation = [p.part(np.arange(600) % 2 == 0) for p in elsewhere(models)]
    found = decided(compare(models, **FEW, validation=validation, **ASKED))
    for p, other in zip(models, validation, strict=True):
        own = found.thresholds[p.model]
        assert own.probability is not None
        called = p.probabilities[:, 1] >= own.probability - 1e-6
        positive = p.actual == 1
        cost = (5 * (positive & ~called) + (~positive & called)).mean()
        assert own.metrics["cost"].value == pytest.approx(cost, abs=0.01)
        precision = own.metrics["precision"].value
        assert precision is not None
        assert own.needed_to_evaluate.value == pytest.approx(1 / precision, rel=1e-4)
        kept = (
            other.scores.max(axis=1)
            >= np.log(
                found.abstention[p.model].probability / (1 - found.abstention[p.model].probability)
            )
            - 1e-4
        )
        assert kept.mean() == pytest.approx(0.7, abs=0.01)


def test_what_call_all_is_worth_is_drawn_beside_the_models(skin: Comparison) -> None:
    curves = decided(skin).curves
    assert curves is not None
    share = float((skin_models()[0].actual == 1).mean())
    assert curves.treat_all == pytest.approx(treat_all(share), abs=1e-6)
    assert curves.probabilities[9] == 0.1
    for band in (*curves.stated.values(), *curves.recalibrated.values()):
        for value, low, high in zip(band.values, band.low, band.high, strict=True):
            assert value is not None
            assert low is not None
            assert high is not None
            assert low <= value <= high
            assert low < high


def test_no_interval_has_no_width(skin: Comparison) -> None:
    found = list(estimates(decided(skin)))
    assert len(found) > 50
    for one in found:
        if one.low is not None and one.high is not None:
            assert one.low < one.high


def test_gaps_are_of_the_likeliest_label_and_at_the_threshold(skin: Comparison) -> None:
    # All are 45 and female: nothing to compare.
    assert decided(skin).gaps == []
    models = [changed(p, _sexes) for p in skin_models()]
    validation = elsewhere(models)
    options = {"sensitivity": 0.9, "subgroups": ["sex"]}
    gaps = decided(compare(models, **FEW, validation=validation, **options)).gaps
    assert {(gap.model, gap.metric, gap.by) for gap in gaps} == {
        (model, metric, by)
        for model in ("base", "tuned", "reference")
        for metric in ("recall", "specificity")
        for by in ("likeliest", "threshold")
    }
    for gap in gaps:
        assert gap.compared == ["female", "male"]
        assert gap.difference.value == pytest.approx(gap.high - gap.low, abs=2e-6)
    p = models[1]
    own = next(g for g in gaps if (g.model, g.metric, g.by) == ("tuned", "recall", "likeliest"))
    sexes = np.array([attributes.get("sex") for attributes in p.attributes])
    for sex, share in ((own.highest, own.high), (own.lowest, own.low)):
        chosen = (sexes == sex) & (p.actual == 1)
        assert (p.predicted[chosen] == 1).mean() == pytest.approx(share, abs=1e-6)


def _sexes(row: dict[str, Any]) -> None:
    number = int(row["id"][-3:])
    row["attributes"] = {"sex": ("female", "male")[number % 2]} if number % 10 else {}


def test_more_labels_have_a_temperature_and_abstention() -> None:
    models = tissue_models()
    comparison = compare(models, **FEW, validation=elsewhere(models), **ASKED)
    found = decided(comparison)
    assert found.obstacle is None
    assert found.curves is None
    assert (found.cost, found.thresholds, found.gaps) == (None, {}, [])
    assert list(found.recalibration["tuned"].methods) == ["stated", "temperature"]
    assert found.recalibration["tuned"].chosen == "temperature"
    assert list(found.abstention) == ["base", "tuned"]
    spared = found.abstention["tuned"].spared
    assert spared.low is not None
    assert spared.low > 0


def test_merged_labels_have_decisions_of_their_own(tmp_path: Path) -> None:
    models = tissue_models()
    options = {"merge": MERGE, "merge_positive": "malignant"} | ASKED
    comparison = compare(models, **FEW, validation=elsewhere(models), **options)
    assert comparison.merged is not None
    found = decided(comparison.merged)
    assert found.curves is not None
    assert list(found.thresholds) == ["base", "tuned"]
    write_json(tmp_path / "comparison.json", comparison.to_json())
    assert read_comparison(tmp_path / "comparison.json") == comparison


def test_what_is_read_is_what_was_found(skin: Comparison, tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", skin.to_json())
    assert read_comparison(tmp_path / "comparison.json") == skin


def test_nothing_else_changes(skin: Comparison) -> None:
    models = skin_models()
    options = {"sensitivity": 0.9, "subgroups": ["sex", "age"]}
    plain = compare(models, **FEW, validation=elsewhere(models), **options)
    assert plain.flat() == skin.flat()
    assert decided(plain).thresholds == decided(plain).abstention == {}
    assert decided(plain).recalibration == decided(skin).recalibration


def test_trainings_with_other_seeds_are_not_shown() -> None:
    models = [*skin_models(), drawn("again", seed=7, signal=1)]
    found = decided(compare(models, **FEW, replicates=["again"]))
    assert list(found.risk_coverage.risk) == ["base", "tuned", "reference"]


def test_all_right_is_no_certainty() -> None:
    """No resample moves the risk, the costs and the net benefit; other groups might."""
    validation = elsewhere(skin_models()[:2])
    models = [from_counts(name, 12, 0, 12, 0) for name in ("base", "tuned")]
    found = decided(compare(models, **FEW, validation=validation, **ASKED))
    for one in estimates([found.abstention, found.thresholds]):
        if one.low is not None and one.high is not None:
            assert one.low < one.high
    risk = found.risk_coverage.risk["tuned"]
    assert (risk.values[0], risk.low[0]) == (0, 0)
    assert risk.high[0] == pytest.approx(1 - 0.025 ** (1 / 24), abs=1e-6)
    for one in estimates(found.recalibration):
        assert one.low is None or one.high is None or one.low < one.high
    for metric in ("brier", "change"):
        assert getattr(found.recalibration["tuned"].methods["temperature"], metric).low is None


def test_pairs_of_groups_are_drawn_as_such() -> None:
    models = [drawn_pairs(name, seed=i, signal=i) for i, name in ((1, "base"), (2, "tuned"))]
    validation = [changed(p, _both_elsewhere) for p in models]
    found = decided(compare(models, **FEW, validation=validation, **ASKED))
    assert found.obstacle is None
    assert list(found.recalibration) == ["base", "tuned"]


def _both_elsewhere(row: dict[str, Any]) -> None:
    _elsewhere(row)
    row["other_group"] = f"V{row['other_group']}"
