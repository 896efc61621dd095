"""A threshold that reaches a stated sensitivity on validation, applied to the test records."""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from verdict.comparison.intervals import Measured
from verdict.comparison.results import Threshold, Thresholds
from verdict.predictions import Predictions
from verdict.statistics.formats import DECIMALS
from verdict.statistics.kinds import BINARY
from verdict.statistics.labels import LabelMeasurement


def choose_threshold(validation: Predictions, sensitivity: float) -> float | None:
    """Return the largest threshold whose sensitivity on validation is at least ``sensitivity``.

    A record is called positive from the threshold on. The largest one calls the fewest others
    positive, so it has the highest specificity of all that reach the sensitivity.

    Args:
        validation: predictions of two labels, on the validation split.
        sensitivity: above 0, up to 1.

    Returns:
        Log-odds of the positive label, in nats, because probabilities run into ties at 0 and 1;
        None where no validation record is positive.
    """
    scores = np.sort(_positive_scores(validation))[::-1]
    if not len(scores):
        return None
    shares = np.arange(1, len(scores) + 1) / len(scores)
    return float(scores[np.argmax(shares >= sensitivity)])


def reached(validation: Predictions, log_odds: float) -> float:
    """Return the sensitivity at a threshold; records that tie with it are called positive, too."""
    return float((_positive_scores(validation) >= log_odds).mean())


def at_threshold(predictions: Predictions, log_odds: float) -> LabelMeasurement:
    """Return the measurement of the labels that are answered at a threshold.

    The threshold is held fixed: resamples of the test records say nothing about how it would have
    come out on other validation records, so that part of the uncertainty is not in the intervals.
    """
    positive = predictions.positive_code
    called = predictions.scores[:, positive] >= log_odds
    answered = np.where(called, positive, 1 - positive)
    return LabelMeasurement(predictions, answered=answered, metrics=BINARY.shown("threshold"))


def make_thresholds(
    chosen: Mapping[str, float],
    measured: Mapping[str, Measured],
    validation: Mapping[str, Predictions],
    sensitivity: float,
    confidence: float,
) -> Thresholds:
    """Put intervals around the models' metrics at their thresholds.

    Args:
        chosen: by model its threshold, in log-odds.
        measured: by model what it is there, on the test split.
        validation, sensitivity: what the thresholds were chosen from.
        confidence: of the intervals.
    """
    first = next(iter(validation.values()))
    return Thresholds(
        sensitivity=sensitivity,
        records=len(first),
        positives=len(_positive_scores(first)),
        models={
            name: Threshold(
                probability=round(float(expit(log_odds)), DECIMALS),
                reached=round(reached(validation[name], log_odds), DECIMALS),
                metrics=measured[name].estimates(BINARY.shown("threshold"), confidence),
            )
            for name, log_odds in chosen.items()
        },
    )


def _positive_scores(predictions: Predictions) -> np.ndarray:
    """Return the log-odds of the positive label, of the records that have it."""
    code = predictions.positive_code
    return predictions.scores[predictions.actual == code, code]
