from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from testing.samples import (
    TISSUE,
    drawn,
    from_counts,
    predictions_from,
    skin_models,
    tissue_models,
    written,
)
from tests.statistics.oracle import by_scikit_learn
from verdict.comparison import bootstrap as module
from verdict.comparison.bootstrap import bootstrap, group_weights
from verdict.comparison.intervals import estimate, p_value
from verdict.predictions import Predictions, make_predictions
from verdict.statistics.kinds import kind_of
from verdict.statistics.measurement import measure


def resampled(p: Predictions, resamples: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    return bootstrap(
        {"m": measure(p)},
        cells=p.cell_groups,
        records=len(p),
        resamples=resamples,
        seed=seed,
    )["m"]


def repeated(p: Predictions, weight: np.ndarray) -> Predictions:
    """Write every drawn row out; a group that is drawn twice becomes two groups."""
    rows = p.table.to_pylist()
    return make_predictions(
        p.model,
        p.labels,
        p.positive,
        [
            {**row, "id": f"{row['id']}-{copy}", "group": f"{row['group']}-{copy}"}
            for row, code in zip(rows, p.cell_codes, strict=True)
            for copy in range(weight[code])
        ],
    )


@pytest.mark.parametrize(
    "p",
    [
        *(
            drawn("m", seed=1, signal=0.8, records=60, groups=15, labels=TISSUE[:n], invalid=0.2)
            for n in (2, 3)
        ),
        written("m", seed=1, right=0.4, empty=0.1).part(np.arange(420) < 84),
    ],
    ids=["two labels", "three labels", "texts"],
)
def test_each_resample_is_the_metric_of_its_repeated_rows(p: Predictions) -> None:
    """Against the slow way: let scikit-learn and sacreBLEU rate every drawn row."""
    if p.labels:  # Rounded, so that scores tie.
        p = predictions_from(
            "m",
            p.actual,
            np.round(p.log_probabilities, 1),
            labels=p.labels,
            positive=p.positive,
            parsed=p.parsed,
            groups=p.cell_codes,
        )
    fast = resampled(p, 40)
    groups = p.cell_codes.max() + 1
    weights = np.concatenate(list(group_weights(groups, 40, 0, 7))).astype(int)
    compared = 0
    for i, weight in enumerate(weights):
        rows = repeated(p, weight)
        if p.labels and len(np.unique(rows.actual)) < len(p.labels):
            continue  # a label is missing: dropped, tested below
        compared += 1
        slow: dict[str, Any] = by_scikit_learn(rows) if p.labels else measure(rows).values()
        if not p.labels:
            corpus = BLEU().corpus_score(list(rows.generated), [list(rows.answers)])
            slow["bleu"] = corpus.score / 100
        for name in kind_of(p).metrics:
            expected = slow[name]
            value = np.nan if expected is None else expected
            np.testing.assert_allclose(fast[name][i], value, atol=1e-6, err_msg=name)
    assert compared > 20


def test_weights_are_whole_draws_and_do_not_depend_on_chunks() -> None:
    whole = next(group_weights(9, 50, 3, 50))
    pieces = np.concatenate(list(group_weights(9, 50, 3, 8)))
    np.testing.assert_array_equal(whole, pieces)
    assert (whole.sum(axis=1) == 9).all()
    assert not np.array_equal(whole, next(group_weights(9, 50, 4, 50)))
    many = next(group_weights(5, 20_000, 0, 20_000))
    # Multinomial(5, 1/5): mean 1, variance 5 · 1/5 · 4/5.
    np.testing.assert_allclose(many.mean(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(many.var(axis=0), 0.8, atol=0.03)


@pytest.mark.parametrize("p", [skin_models()[1], tissue_models()[1]], ids=["two", "eight"])
@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_change_nothing(p: Predictions, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled(p, 100)
    monkeypatch.setattr(module, "CHUNK_NUMBERS", chunk * len(p))
    for name, values in resampled(p, 100).items():
        np.testing.assert_array_equal(values, whole[name])


def test_resamples_without_a_label_are_dropped_and_counted() -> None:
    p = predictions_from(
        "m", [0] * 8 + [1], np.log([[0.7, 0.3]] * 8 + [[0.3, 0.7]]), groups=range(9)
    )
    values = resampled(p, 4000)["balanced_accuracy"]
    result = estimate(1.0, values, 0.95)
    assert (result.low, result.high) == (1, 1)
    # One group in nine has the label: (8/9)^9 of the resamples miss it.
    assert result.undefined / 4000 == pytest.approx((8 / 9) ** 9, abs=0.03)
    assert not np.isnan(resampled(p)["accuracy"]).any()


def test_interval_of_independent_records_is_the_known_one() -> None:
    p = from_counts("m", 60, 0, 0, 40)
    values = resampled(p, 20_000)["accuracy"]
    result = estimate(0.6, values, 0.95)
    # Binomial(100, 0.6): standard error 0.049.
    assert result.low == pytest.approx(0.6 - 1.96 * 0.049, abs=0.011)
    assert result.high == pytest.approx(0.6 + 1.96 * 0.049, abs=0.011)
    narrower = estimate(0.6, values, 0.8)
    assert (result.low or 0) < (narrower.low or 0)
    assert (narrower.high or 0) < (result.high or 0)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "auroc"])
def test_groups_that_hang_together_widen_the_interval(metric: str) -> None:
    p = drawn("m", seed=4, signal=0.8, records=600, groups=40)

    alone = predictions_from("m", p.actual, p.log_probabilities)

    def width(predictions: Predictions) -> float:
        result = estimate(0.5, resampled(predictions, 2000)[metric], 0.95)
        return (result.high or 0) - (result.low or 0)

    assert width(p) > 1.2 * width(alone)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        (np.ones(99), 2 * 1 / 100),
        (-np.ones(99), 2 * 1 / 100),
        (np.zeros(99), 1.0),
        (np.repeat([-1.0, 1.0], [9, 90]), 2 * 10 / 100),
        (np.full(99, 1e-16), 1.0),  # the last bit is no difference
        (np.append(np.ones(99), np.nan), 2 * 1 / 100),
        (np.full(3, np.nan), None),
        (np.zeros(0), None),
    ],
)
def test_p_value(differences: np.ndarray, expected: float | None) -> None:
    assert p_value(differences) == expected


def test_p_values_of_no_difference_are_spread_evenly() -> None:
    """Two models of equal quality: about one p in ten lies below 0.1."""
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(300):
        actual = rng.integers(0, 2, 120)
        statistics: dict[str, Callable[[np.ndarray], dict[str, np.ndarray]]] = {}
        for name in ("a", "b"):
            right = rng.random(120) < 0.7
            predicted = np.where(right, actual, 1 - actual)
            log_probabilities = np.where(np.eye(2)[predicted] > 0, -0.1, -2.4)
            p = predictions_from(name, actual, log_probabilities)
            statistics[name] = measure(p)
        drawn_both = bootstrap(statistics, cells=p.cell_groups, records=120, resamples=400, seed=1)
        name = "balanced_accuracy"
        p_values.append(p_value(drawn_both["a"][name] - drawn_both["b"][name]))
    share = np.mean(np.array(p_values) < 0.1)
    assert 0.05 < share < 0.16
