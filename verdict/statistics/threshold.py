"""A threshold that reaches a stated sensitivity on validation, applied to the test records."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled
from verdict.statistics.counts import accuracy_metrics, binary_metrics, confusion_by_cell
from verdict.statistics.edges import Edges
from verdict.statistics.estimates import Estimate, estimates
from verdict.statistics.formats import AT_THRESHOLD, THRESHOLD, rounded

#: What is measured at a threshold, in the order of a table.
METRICS = ("recall", "specificity", "precision", "f1", "balanced_accuracy", "accuracy")


@dataclass(frozen=True)
class Chosen:
    """The threshold of one model, as its validation predictions decide it."""

    #: Of the positive label, in nats. Log-odds, because probabilities run into ties at 0 and 1.
    log_odds: float
    #: The sensitivity on validation: the one asked for, or the next that can be reached.
    reached: float

    @property
    def probability(self) -> float:
        """The same threshold as a probability of the positive label."""
        return float(expit(self.log_odds))


class AtThreshold:
    """The metrics of one model's test predictions at its threshold, for any weights of cells.

    The threshold is held fixed: resamples of the test records say nothing about how it would have
    come out on other validation records, so that part of the uncertainty is not in the intervals.
    """

    def __init__(self, predictions: Predictions, chosen: Chosen):
        """Count once what the weights will multiply."""
        self.chosen = chosen
        self._positive = predictions.positive_code
        self._present = np.isin(np.arange(2), predictions.actual)
        called = predictions.scores[:, self._positive] >= chosen.log_odds
        predicted = np.where(called, self._positive, 1 - self._positive)
        cells, actual = predictions.cell_codes, predictions.actual
        self.edges = Edges(predictions, {"": predicted}, np.flatnonzero(self._present).tolist())
        self._counts = confusion_by_cell(cells, actual, predicted, 2).astype(np.float64)

    def values(self) -> dict[str, float | None]:
        """Return ``METRICS`` on the records themselves; None where undefined."""
        whole = self(np.ones((1, len(self._counts))))
        return {name: rounded(whole[name][0]) for name in METRICS}

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return ``METRICS`` for weights (resamples, cells); cells as in ``cell_codes``."""
        counts = np.tensordot(weights, self._counts, axes=1)
        values = accuracy_metrics(counts, self._present) | binary_metrics(counts, self._positive)
        return {name: values[name] for name in METRICS}


@dataclass(frozen=True)
class Thresholds:
    """The models at the thresholds that reach a sensitivity on the validation split."""

    #: What was asked for.
    sensitivity: float
    #: Of the validation split: its records, and how many of them are positive.
    records: int
    positives: int
    #: By model: the threshold, and the metrics of the test split there. Empty where there is no
    #: positive record to reach a sensitivity on.
    chosen: dict[str, Chosen]
    metrics: dict[str, dict[str, Estimate]]

    @property
    def undefined(self) -> str | None:
        """Why there is no threshold, or None."""
        if self.positives:
            return None
        return f"none of the {self.records:,} validation records is positive"

    def flat(self) -> dict[str, float | int | str | None]:
        """Return the entries of a metrics file."""
        entries: dict[str, float | int | str | None] = {
            f"{THRESHOLD}.sensitivity": self.sensitivity,
            f"{THRESHOLD}.validation_records": self.records,
            f"{THRESHOLD}.validation_positives": self.positives,
        }
        if self.undefined:
            entries[f"{THRESHOLD}.undefined"] = self.undefined
        for model, chosen in self.chosen.items():
            entries[f"{model}.{THRESHOLD}"] = rounded(chosen.probability)
            entries[f"{model}.validation_sensitivity"] = rounded(chosen.reached)
            for name, value in self.metrics[model].items():
                entries |= value.flat(f"{model}.{AT_THRESHOLD}.{name}")
        return entries


def choose_threshold(validation: Predictions, sensitivity: float) -> Chosen | None:
    """Return the largest threshold whose sensitivity on validation is at least ``sensitivity``.

    A record is called positive from the threshold on. The largest one calls the fewest others
    positive, so it has the highest specificity of all that reach the sensitivity.

    Args:
        validation: predictions of two labels, on the validation split.
        sensitivity: above 0, up to 1.

    Returns:
        None where no validation record is positive.
    """
    positive = validation.actual == validation.positive_code
    scores = np.sort(validation.scores[positive, validation.positive_code])[::-1]
    if not len(scores):
        return None
    shares = np.arange(1, len(scores) + 1) / len(scores)
    threshold = scores[np.argmax(shares >= sensitivity)]
    # Records that tie with the threshold are called positive, too.
    return Chosen(float(threshold), float((scores >= threshold).mean()))


def apply_thresholds(
    predictions: Mapping[str, Predictions],
    validation: Mapping[str, Predictions],
    sensitivity: float,
) -> dict[str, AtThreshold]:
    """Choose each model's threshold on ``validation`` and apply it to ``predictions``.

    Returns:
        What is to be resampled, by model; nothing where no validation record is positive.
    """
    chosen = {name: choose_threshold(validation[name], sensitivity) for name in predictions}
    return {
        name: AtThreshold(predictions[name], threshold)
        for name, threshold in chosen.items()
        if threshold is not None
    }


def measure_thresholds(
    models: Mapping[str, AtThreshold],
    validation: Mapping[str, Predictions],
    sensitivity: float,
    resampled: Mapping[str, Resampled],
    confidence: float,
) -> Thresholds:
    """Put intervals around the models' metrics at their thresholds.

    Args:
        models: as ``apply_thresholds`` gives them.
        validation, sensitivity: what they were made from.
        resampled: the metrics of ``tuned.at_threshold``, ….
        confidence: of the intervals.
    """
    first = next(iter(validation.values()))
    return Thresholds(
        sensitivity=sensitivity,
        records=len(first),
        positives=int((first.actual == first.positive_code).sum()),
        chosen={name: model.chosen for name, model in models.items()},
        metrics={
            name: estimates(
                model.values(),
                resampled[f"{name}.{AT_THRESHOLD}"],
                METRICS,
                confidence,
                model.edges,
            )
            for name, model in models.items()
        },
    )
