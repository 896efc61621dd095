from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
)

from testing.samples import (
    SETTINGS,
    compare,
    from_counts,
    predictions_from,
    skin_models,
    tissue_models,
)
from verdict.comparison.model import Comparison
from verdict.comparison.thresholds import at_threshold, choose_threshold, reached
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions
from verdict.statistics.kinds import BINARY

METRICS = BINARY.shown("threshold")


def elsewhere(p: Predictions, **changed: str) -> Predictions:
    """Return the predictions as those of other records, in other groups."""
    rows = [
        row | {"id": "V" + row["id"], "group": "V" + row["group"]} | changed
        for row in p.table.to_pylist()
    ]
    return make_predictions(p.model, p.labels, p.positive, rows)


def scored(actual: Sequence[int], log_odds: Sequence[float]) -> Predictions:
    """Return predictions whose log-odds of melanoma are these."""
    return predictions_from("m", actual, np.stack([-np.array(log_odds), np.zeros(len(actual))], 1))


@pytest.fixture(scope="module")
def validation() -> list[Predictions]:
    return [elsewhere(p.part(np.arange(600) % 3 == 0)) for p in skin_models()]


@pytest.fixture(scope="module")
def skin(validation: list[Predictions]) -> Comparison:
    return compare(skin_models(), **SETTINGS, validation=validation, sensitivity=0.9)


@pytest.mark.parametrize("sensitivity", [0.05, 0.5, 0.8, 0.9, 1.0])
def test_no_larger_threshold_reaches_the_sensitivity(sensitivity: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        actual = (rng.random(60) < 0.4).astype(int)
        log_odds = np.round(rng.normal(actual, 1), 1)
        shares = {t: (log_odds[actual == 1] >= t).mean() for t in log_odds}
        expected = max(t for t, share in shares.items() if share >= sensitivity)
        p = scored(actual.tolist(), log_odds.tolist())
        chosen = choose_threshold(p, sensitivity)
        assert chosen is not None
        assert chosen == pytest.approx(expected)
        assert reached(p, chosen) == shares[expected]


def test_a_share_that_is_met_exactly_is_met() -> None:
    """Seven of ten are 0.7, whatever the last bit of a product says."""
    for records in range(1, 60):
        p = scored([1] * records, list(range(records)))
        for right in range(1, records + 1):
            chosen = choose_threshold(p, right / records)
            assert chosen is not None
            assert reached(p, chosen) == right / records


def test_certain_records_are_told_apart() -> None:
    """Their probabilities are all 1, their log-odds are not."""
    p = scored([1, 1, 1, 1, 0, 0], [500, 600, 700, 800, 550, 650])
    assert np.exp(p.log_probabilities[:, 1]).tolist() == [1] * 6
    assert (choose_threshold(p, 0.75), reached(p, 600)) == (600, 0.75)
    values = at_threshold(p, 600).values()
    assert (values["recall"], values["specificity"]) == (0.75, 0.5)


def test_metrics_are_those_of_scikit_learn() -> None:
    p = skin_models()[1]
    chosen = choose_threshold(p, 0.9)
    assert chosen is not None
    model = at_threshold(p, chosen)
    weights = np.random.default_rng(0).multinomial(145, np.full(145, 1 / 145), size=3).astype(float)
    resampled = model(np.vstack([np.ones((1, 145)), weights]))
    called = p.scores[:, 1] >= chosen
    assert called.sum() > (p.predicted == 1).sum()
    for i, drawn in enumerate([np.ones(145), *weights]):
        rows = np.repeat(np.arange(600), drawn[p.cell_codes].astype(int))
        actual, predicted = p.actual[rows] == 1, called[rows]
        precision, recall, f1, _ = precision_recall_fscore_support(actual, predicted)
        expected = {
            "recall": recall[1],
            "specificity": recall[0],
            "precision": precision[1],
            "f1": f1[1],
            "balanced_accuracy": balanced_accuracy_score(actual, predicted),
            "accuracy": accuracy_score(actual, predicted),
        }
        assert {name: resampled[name][i] for name in METRICS} == pytest.approx(expected)
    values = model.values()
    assert {m: values[m] for m in METRICS} == pytest.approx(
        {m: resampled[m][0] for m in METRICS}, abs=1e-6
    )


def test_every_model_has_its_threshold_beside_its_likeliest_answer(skin: Comparison) -> None:
    flat: dict[str, Any] = skin.flat()
    assert flat["threshold.sensitivity"] == 0.9
    assert flat["threshold.validation_records"] == 200
    assert flat["threshold.validation_positives"] > 20
    for model in ("base", "tuned", "reference"):
        assert 0.9 <= flat[f"{model}.validation_sensitivity"] < 0.95
        assert 0 < flat[f"{model}.threshold"] < 1
        for metric in METRICS:
            name = f"{model}.at_threshold.{metric}"
            assert flat[f"{name}_low"] < flat[name] < flat[f"{name}_high"], name
    assert flat["tuned.threshold"] < 0.5
    assert flat["tuned.at_threshold.recall"] > flat["tuned.recall"]
    assert flat["tuned.at_threshold.specificity"] < flat["tuned.specificity"]
    shown = skin.headline()
    assert shown["sensitivity_at"] == flat["tuned.at_threshold.recall"]
    assert shown["specificity_at"] == flat["tuned.at_threshold.specificity"]


def test_a_threshold_changes_nothing_else(skin: Comparison) -> None:
    plain = compare(skin_models(), **SETTINGS)
    flat = skin.flat()
    assert {key: flat[key] for key in plain.flat()} == plain.flat()
    assert not any("threshold" in key for key in plain.flat())


def test_without_positive_validation_records_there_is_none(
    validation: list[Predictions],
) -> None:
    negative = [p.part(p.actual == 0) for p in validation]
    empty = [p.part(np.zeros(len(p), bool)) for p in validation]
    for records in (negative, empty):
        comparison = compare(skin_models(), **SETTINGS, validation=records, sensitivity=0.9)
        flat = comparison.flat()
        reason = f"none of the {len(records[0])} validation records is positive"
        assert flat["threshold.undefined"] == reason
        assert not any(key.startswith("tuned.threshold") or "at_threshold" in key for key in flat)
        assert comparison.verdict.outcome == "raised"


def test_one_label_only_in_the_test_split(validation: list[Predictions]) -> None:
    models = [from_counts(name, 0, 5, 15, 0) for name in ("base", "tuned")]
    flat = compare(models, **SETTINGS, validation=validation[:2], sensitivity=0.9).flat()
    assert flat["tuned.at_threshold.recall"] is None
    assert flat["tuned.at_threshold.balanced_accuracy"] is None
    assert flat["tuned.at_threshold.specificity"] is not None


def test_no_records_in_the_test_split(validation: list[Predictions]) -> None:
    models = [from_counts(name, 0, 0, 0, 0) for name in ("base", "tuned")]
    flat = compare(models, **SETTINGS, validation=validation[:2], sensitivity=0.9).flat()
    assert flat["tuned.at_threshold.accuracy"] is None
    assert flat["tuned.threshold"] is not None


def first_as(p: Predictions, **values: str) -> Predictions:
    rows = p.table.to_pylist()
    return make_predictions(p.model, p.labels, p.positive, [rows[0] | values, *rows[1:]])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda v: v[:2], "reference has no predictions on the validation split"),
        (lambda v: [*v, replace(v[0], model="more")], "more has predictions on the validation"),
        (lambda v: [v[0], v[0], v[2]], "two predictions have the same model name"),
        (
            lambda v: [first_as(p, id="ISIC_0000007") for p in v],
            r"1 record of the test split \(ISIC_0000007\) is in the validation split, too",
        ),
        (
            lambda v: [first_as(p, group="IP_0000003") for p in v],
            r"1 group of the test split \(IP_0000003\) is in the validation split, too",
        ),
        (
            lambda v: [replace(p, length_normalization="tokens") for p in v],
            "scored with length_normalization tokens on the validation split, but with None",
        ),
        (lambda v: [v[0], v[1].part(np.arange(200) > 2), v[2]], r"3 missing from tuned"),
        (
            lambda v: [replace(p, positive="benign") for p in v],
            r"on the validation split .*positive: benign.* test split .*positive: melanoma",
        ),
    ],
)
def test_what_a_threshold_may_not_be_chosen_on(
    validation: list[Predictions], change: Any, problem: str
) -> None:
    with pytest.raises(VerdictError, match=problem):
        compare(skin_models(), **SETTINGS, validation=change(validation), sensitivity=0.9)


def test_where_all_records_share_a_prompt_so_must_the_validation_split() -> None:
    def asked(text: str) -> list[Predictions]:
        return [elsewhere(p, prompt_sha256=text) for p in skin_models()]

    test = [
        make_predictions(
            p.model, p.labels, p.positive, [r | {"prompt_sha256": "a"} for r in p.table.to_pylist()]
        )
        for p in skin_models()
    ]
    assert compare(test, **SETTINGS, validation=asked("a"), sensitivity=0.9).thresholds
    with pytest.raises(VerdictError, match="600 of 600 validation records have another prompt"):
        compare(test, **SETTINGS, validation=asked("b"), sensitivity=0.9)


def test_more_labels_have_no_threshold() -> None:
    with pytest.raises(VerdictError, match=r"about the positive one of two labels.*=null"):
        compare(tissue_models(), **SETTINGS, validation=tissue_models(), sensitivity=0.9)
