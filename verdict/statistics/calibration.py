"""How well the probabilities of a model agree with what happens."""

import numpy as np
from sklearn.metrics import brier_score_loss

from verdict.statistics.bootstrap import sum_by_cell, summable
from verdict.statistics.counts import ratio

#: Bins of equal width, from 0 to 1, that probabilities are sorted into.
CALIBRATION_BINS = 10


def calibration_metrics(
    actual: np.ndarray, probabilities: np.ndarray, positive: int | None
) -> dict[str, float]:
    """Return the Brier score and the expected calibration error; the smaller, the better.

    The Brier score is the mean squared difference of probability and outcome, as scikit-learn
    scales it: with two labels that of one of them (0 to 1), with more the sum over all (0 to 2).
    The expected calibration error (Guo et al. 2017, ICML, PMLR 70:1321) is the mean over
    ``CALIBRATION_BINS`` bins, weighted by their records, of the distance between the mean
    probability and the share that came true: with two labels of the probability of the positive
    one, with more of the confidence in the likeliest.

    Args:
        actual: label codes (n); one record at least.
        probabilities: (n, labels), each row with the sum 1.
        positive: the code of the positive label of two; None where there are more.
    """
    stated, came_true = stated_probabilities(actual, probabilities, positive)
    excess = np.bincount(bins_of(stated), weights=came_true - stated)
    labels = np.arange(probabilities.shape[1])
    return {
        "brier": brier_score_loss(actual, probabilities, labels=labels),
        "expected_calibration_error": float(np.abs(excess).sum() / len(actual)),
    }


def stated_probabilities(
    actual: np.ndarray, probabilities: np.ndarray, positive: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability (n) that calibration is about, and whether it came true, bool (n).

    Of two labels it is the probability of the positive one, of more that of the likeliest.
    Arguments as for ``calibration_metrics``.
    """
    if positive is not None:
        return probabilities[:, positive], actual == positive
    return probabilities.max(axis=1), actual == np.argmax(probabilities, axis=1)


def bins_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin (n) of each probability; an inner edge belongs to the bin below it."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    return np.searchsorted(edges[1:-1], probabilities)


class Calibration:
    """``calibration_metrics`` under record weights, for many resamples at once.

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        actual, probabilities, positive: as for ``calibration_metrics``.
    """

    def __init__(
        self,
        cells: np.ndarray,
        actual: np.ndarray,
        probabilities: np.ndarray,
        positive: int | None,
    ):
        """Sum by cell, and by cell and bin, what the weights will multiply."""
        labels = probabilities.shape[1]
        errors = ((np.eye(labels)[actual] - probabilities) ** 2).sum(axis=1)
        self._errors = sum_by_cell(cells, errors / 2 if labels == 2 else errors)
        self._size = np.bincount(cells)
        stated, came_true = stated_probabilities(actual, probabilities, positive)
        shape = (len(self._size), CALIBRATION_BINS)
        place = cells * CALIBRATION_BINS + bins_of(stated)
        excess = np.bincount(place, weights=came_true - stated, minlength=shape[0] * shape[1])
        self._excess = summable(excess.reshape(shape))

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return arrays (resamples) for weights (resamples, cells); NaN where nothing was drawn."""
        drawn = weights @ self._size
        return {
            "brier": ratio(weights @ self._errors, drawn),
            "expected_calibration_error": ratio(np.abs(weights @ self._excess).sum(axis=1), drawn),
        }
