"""Points of ROC, precision–recall and reliability curves, few enough to draw in a page."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from verdict.predictions import Predictions
from verdict.statistics.calibration import CALIBRATION_BINS, bins_of, stated_probabilities
from verdict.statistics.formats import DECIMALS

#: Most points of a curve.
MAX_POINTS = 200


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
    probability, came_true = stated_probabilities(
        predictions.actual, predictions.probabilities, positive
    )
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
