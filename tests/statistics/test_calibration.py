import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from testing.samples import TISSUE, from_counts, predictions_from
from tests.statistics.oracle import calibration_metrics
from verdict.statistics.measurement import measure
from verdict.statistics.probabilities import (
    CALIBRATION_BINS,
    Calibration,
    bins_of,
)


def slow_error(probability: np.ndarray, came_true: np.ndarray) -> float:
    """Read the definition of Guo et al. aloud, bin by bin."""
    error = 0.0
    for bin_ in range(CALIBRATION_BINS):
        low, high = bin_ / CALIBRATION_BINS, (bin_ + 1) / CALIBRATION_BINS
        chosen = (probability > low) & (probability <= high)
        if bin_ == 0:
            chosen |= probability == 0
        if chosen.any():
            error += chosen.sum() * abs(probability[chosen].mean() - came_true[chosen].mean())
    return error / len(probability)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 5))
def test_metrics_are_what_their_definitions_say(seed: int, n: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(labels), n)
    actual = rng.integers(0, labels, n)
    positive = 1 if labels == 2 else None
    one_cell = np.zeros(n, np.int64)
    found = Calibration(one_cell, actual, probabilities, positive).metrics(np.ones((1, 1)))
    metrics = {name: values[0] for name, values in found.items()}
    if labels == 2:
        probability, came_true = probabilities[:, 1], actual == 1
        brier = np.mean((came_true - probability) ** 2)
    else:
        probability = probabilities.max(axis=1)
        came_true = probabilities.argmax(axis=1) == actual
        brier = np.mean(((np.eye(labels)[actual] - probabilities) ** 2).sum(axis=1))
    assert metrics["brier"] == pytest.approx(brier)
    assert metrics["expected_calibration_error"] == pytest.approx(
        slow_error(probability, came_true)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_weights_do_what_repeated_rows_do(seed: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(8), rng.integers(0, 8, 40)])
    # Coarse enough that several records share a bin, and some probabilities are 0.
    probabilities = rng.multinomial(20, np.ones(labels) / labels, len(groups)) / 20
    actual = rng.integers(0, labels, len(groups))
    positive = 1 if labels == 2 else None
    weights = rng.multinomial(8, np.ones(8) / 8, 5)
    fast = Calibration(groups, actual, probabilities, positive).metrics(weights.astype(float))
    for i, weight in enumerate(weights):
        rows = np.repeat(np.arange(len(groups)), weight[groups])
        slow = calibration_metrics(actual[rows], probabilities[rows], positive)
        slow["brier"] = brier_score_loss(
            actual[rows], probabilities[rows], labels=list(range(labels))
        )
        for name, value in slow.items():
            np.testing.assert_allclose(fast[name][i], value, atol=1e-9, err_msg=name)


def test_bins_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    probability = np.concatenate([rng.random(500), np.arange(11) / 10])
    came_true = rng.random(len(probability)) < probability
    observed, stated = calibration_curve(
        came_true, probability, n_bins=CALIBRATION_BINS, strategy="uniform"
    )
    bins = bins_of(probability)
    assert len(observed) == CALIBRATION_BINS
    for bin_ in range(CALIBRATION_BINS):
        assert stated[bin_] == pytest.approx(probability[bins == bin_].mean())
        assert observed[bin_] == pytest.approx(came_true[bins == bin_].mean())


def test_probabilities_are_the_softmax_of_log_likelihoods() -> None:
    """Scores of answers are no distribution until they are normalised."""
    log_likelihoods = np.log([[0.1, 0.3], [0.02, 0.02]]) - 5
    p = predictions_from("m", [1, 0], log_likelihoods)
    np.testing.assert_allclose(p.probabilities, [[0.25, 0.75], [0.5, 0.5]])
    metrics = measure(p).values()
    assert metrics["brier"] == pytest.approx((0.25**2 + 0.5**2) / 2, abs=1e-6)
    assert metrics["expected_calibration_error"] == pytest.approx((0.25 + 0.5) / 2, abs=1e-6)


def test_a_model_that_knows_and_one_that_is_surely_wrong() -> None:
    sure = np.array([[0.0, -800.0, -800.0], [-800.0, 0.0, -800.0]])
    for actual, brier, error in (([0, 1], 0, 0), ([1, 2], 2, 1)):
        p = predictions_from("m", actual, sure, labels=TISSUE[:3], positive=None)
        metrics = measure(p).values()
        assert (metrics["brier"], metrics["expected_calibration_error"]) == (brier, error)
    assert from_counts("m", 0, 0, 0, 0).probabilities.shape == (0, 2)
