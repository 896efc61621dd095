"""What rates probabilities: rankings, calibration, and the points of their curves to draw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import precision_recall_curve, roc_curve

from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled, ratio, sum_by_cell, summable
from verdict.statistics.formats import DECIMALS

#: Bins of equal width, from 0 to 1, that probabilities are sorted into.
CALIBRATION_BINS = 10

#: Most points of a curve.
MAX_POINTS = 200


class Ranking:
    """AUROC and average precision, as scikit-learn defines them, for many resamples at once.

    Both need only the thresholds at which there is a positive record, and how many negative records
    lie between each two of them. So records are counted once by cell and threshold, and a resample
    is a product of that sparse table and its weights.

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        positive: bool (n): whether the record is of the positive label.
        scores: (n), the larger the more positive; equal ones are ties.
    """

    def __init__(self, cells: np.ndarray, positive: np.ndarray, scores: np.ndarray):
        size = int(cells.max()) + 1 if len(cells) else 0
        thresholds, at = np.unique(scores[positive], return_inverse=True)
        others, negative_cells = scores[~positive], cells[~positive]
        above = np.searchsorted(thresholds, others, side="right")
        tied = above > np.searchsorted(thresholds, others, side="left")
        self._positives = _counted(at, cells[positive], (len(thresholds), size))
        # Row i: above threshold i - 1 or equal to it, and below threshold i.
        self._negatives = _counted(above, negative_cells, (len(thresholds) + 1, size))
        self._tied = _counted(above[tied] - 1, negative_cells[tied], (len(thresholds), size))

    def metrics(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples) for weights (resamples, cells): how often each was drawn.

        NaN where a resample holds one label only.
        """
        drawn = np.ascontiguousarray(weights.T)
        positive, tied = self._positives @ drawn, self._tied @ drawn  # (thresholds, resamples)
        below = np.cumsum(self._negatives @ drawn, axis=0)
        positives, negatives = positive.sum(axis=0), below[-1]
        below = below[:-1]
        # At a threshold: what is called positive, and is or is not.
        called_positives = np.cumsum(positive[::-1], axis=0)[::-1]
        called = called_positives + (negatives - below)
        # Where nothing is called positive there is no precision; it counts for nothing.
        precision = np.divide(called_positives, called, out=np.zeros_like(called), where=called > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A positive record wins against every negative one below it, and half of each tie.
            auroc = (positive * (2 * below + tied)).sum(axis=0) / (2 * positives * negatives)
            average_precision = (positive * summable(precision)).sum(axis=0) / positives
        one_label = (positives == 0) | (negatives == 0)
        return {
            "auroc": np.where(one_label, np.nan, auroc),
            "average_precision": np.where(one_label, np.nan, average_precision),
        }


class Calibration:
    """How well probabilities agree with what happens, for many resamples at once.

    The Brier score is the mean squared difference of probability and outcome, as scikit-learn
    scales it: with two labels that of one of them (0 to 1), with more the sum over all (0 to 2).
    The expected calibration error (Guo et al. 2017, ICML, PMLR 70:1321) is the mean over
    ``CALIBRATION_BINS`` bins, weighted by their records, of the distance between the mean
    probability and the share that came true: with two labels of the probability of the positive
    one, with more of the confidence in the likeliest. The bias is the share that came true less the
    mean probability: calibration in the large (Van Calster et al. 2019, BMC Med. 17:230).

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        actual: label codes (n).
        probabilities: (n, labels), each row with the sum 1.
        positive: the code of the positive label of two; None where there are more.
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

    def metrics(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples) for weights (resamples, cells); NaN where nothing was drawn."""
        drawn, excess = weights @ self._size, weights @ self._excess
        return {
            "brier": ratio(weights @ self._errors, drawn),
            "expected_calibration_error": ratio(np.abs(excess).sum(axis=1), drawn),
            "calibration_bias": ratio(excess.sum(axis=1), drawn),
        }


def stated_probabilities(
    actual: np.ndarray, probabilities: np.ndarray, positive: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability (n) that calibration is about, and whether it came true, bool (n).

    Of two labels it is the probability of the positive one, of more that of the likeliest.
    Arguments as for ``Calibration``.
    """
    if positive is not None:
        return probabilities[:, positive], actual == positive
    return probabilities.max(axis=1), actual == np.argmax(probabilities, axis=1)


def bins_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin (n) of each probability; an inner edge belongs to the bin below it."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    return np.searchsorted(edges[1:-1], probabilities)


@dataclass(frozen=True)
class Curve:
    """Points (k) of a line, rounded, in the order in which it is drawn; ``x`` never falls.

    Of an ROC curve ``x`` is the share of false alarms (1 - specificity) and ``y`` the sensitivity;
    of a precision–recall curve they are recall and precision.
    """

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """What was stated and what came true, in each bin that holds records (k), rounded.

    With two labels it is about the probability of the positive one; with more about the
    probability of the likeliest label, and how often that is right.
    """

    #: The mean probability of the bin's records, in rising order.
    stated: np.ndarray
    #: The share of them for which it came true.
    observed: np.ndarray
    #: How many they are.
    records: np.ndarray


def roc_curves(predictions: Predictions) -> dict[str, Curve | None]:
    """Return the ROC curve of the positive label of two, or of each of more against the rest.

    None where all records have the label, or none has. Empty for free text.
    """
    return _curves(predictions, _roc)


def precision_recall_curves(predictions: Predictions) -> dict[str, Curve | None]:
    """Return precision–recall curves for the same labels as ``roc_curves``.

    They begin, as scikit-learn has it, at recall 0 and precision 1.
    """
    return _curves(predictions, _precision_recall)


def reliability(predictions: Predictions) -> Reliability | None:
    """Return the reliability curve in ``CALIBRATION_BINS`` bins; None without records or labels."""
    if predictions.free_text or len(predictions) == 0:
        return None
    positive = predictions.positive_code if predictions.binary else None
    return reliability_of(predictions.actual, predictions.probabilities, positive)


def reliability_of(
    actual: np.ndarray, probabilities: np.ndarray, positive: int | None
) -> Reliability:
    """Return the reliability curve of any probabilities; arguments as for ``Calibration``."""
    probability, came_true = stated_probabilities(actual, probabilities, positive)
    bins = bins_of(probability)
    records = np.bincount(bins, minlength=CALIBRATION_BINS)
    held = records > 0
    stated, observed = (
        np.bincount(bins, weights=values, minlength=CALIBRATION_BINS)[held] / records[held]
        for values in (probability, came_true)
    )
    return Reliability(stated.round(DECIMALS), observed.round(DECIMALS), records[held])


def _curves(
    predictions: Predictions, curve: Callable[[np.ndarray, np.ndarray], Curve]
) -> dict[str, Curve | None]:
    labels = predictions.labels
    codes = [predictions.positive_code] if predictions.binary else range(len(labels))
    curves: dict[str, Curve | None] = {}
    for code in codes:
        actual = predictions.actual == code
        both = 0 < actual.sum() < len(actual)
        curves[labels[code]] = curve(actual, predictions.scores[:, code]) if both else None
    return curves


def _roc(actual: np.ndarray, scores: np.ndarray) -> Curve:
    false_alarms, sensitivity, _ = roc_curve(actual, scores, drop_intermediate=True)
    return _thinned(false_alarms, sensitivity)


def _precision_recall(actual: np.ndarray, scores: np.ndarray) -> Curve:
    precision, recall, _ = precision_recall_curve(actual, scores, drop_intermediate=True)
    return _thinned(recall[::-1], precision[::-1])


def _thinned(x: np.ndarray, y: np.ndarray) -> Curve:
    """Keep the ends, and of what lies between them points that are evenly spaced along the line."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    places = np.linspace(0, length[-1], MAX_POINTS)
    kept = np.union1d(np.searchsorted(length, places[:-1]), [len(x) - 1])
    return Curve(x[kept].round(DECIMALS), y[kept].round(DECIMALS))


def _counted(rows: np.ndarray, cells: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Count pairs of codes (n). Whole numbers, so that products with them are exact."""
    return csr_array((np.ones(len(rows)), (rows, cells)), shape=shape)
