"""Measure predicted labels, on the records themselves and on resamples of their groups."""

from collections.abc import Iterator

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled, summable
from verdict.statistics.calibration import Calibration
from verdict.statistics.classification import among_top_2, classification_metrics
from verdict.statistics.confusion import Confusion, count_answers
from verdict.statistics.counts import (
    accuracy_metrics,
    average_f1,
    binary_metrics,
    confusion_by_cell,
    matthews_correlation,
    mean_over_labels,
    ratio,
)
from verdict.statistics.edges import Edges
from verdict.statistics.kinds import Kind, kind_of
from verdict.statistics.ranking import Ranking


class LabelMeasurement:
    """A ``Measurement`` of predicted labels.

    Args:
        predictions: of a task with labels.
        whole: where the predictions are a part of others, these; balanced accuracy and what else
            takes every label then needs all the labels of the whole, and nothing is ranked.
    """

    def __init__(self, predictions: Predictions, whole: Predictions | None = None):
        """Count once what the weights will multiply."""
        labels, cells = len(predictions.labels), predictions.cell_codes
        actual, predicted, parsed = predictions.actual, predictions.predicted, predictions.parsed
        self._predictions = predictions
        self._present = np.isin(np.arange(labels), (whole or predictions).actual)
        self._scored = confusion_by_cell(cells, actual, predicted, labels)
        self._generated = confusion_by_cell(cells, actual, parsed, labels)
        self._size = np.bincount(cells)
        self._share_right = summable(np.bincount(cells, weights=self.right) / self._size)
        self._invalid = np.bincount(cells, weights=parsed < 0)
        self._agreeing = np.bincount(cells, weights=parsed == predicted)
        positive = predictions.positive_code if predictions.binary else None
        codes = np.unique(actual) if positive is None else [positive]
        self._rankings = [
            Ranking(cells, actual == code, predictions.scores[:, code])
            for code in codes
            if whole is None
        ]
        self._calibration = Calibration(cells, actual, predictions.probabilities, positive)
        self._among_top_2 = np.bincount(cells, weights=among_top_2(predictions))

    @property
    def kind(self) -> Kind:
        return kind_of(self._predictions)

    @property
    def right(self) -> np.ndarray:
        """Bool (n): whether the likeliest label is the true one."""
        return self._predictions.actual == self._predictions.predicted

    @property
    def edges(self) -> Edges:
        answered = {
            "": self._predictions.predicted,
            "generated_balanced_accuracy": self._predictions.parsed,
        }
        return Edges(self._predictions, answered, np.flatnonzero(self._present).tolist())

    def values(self) -> dict[str, float | int | None]:
        return classification_metrics(self._predictions)

    def __call__(self, weights: np.ndarray) -> Resampled:
        scored, drawn = _weighted(weights, self._scored), weights @ self._size
        values = accuracy_metrics(scored, self._present)
        values["group_accuracy"] = ratio(weights @ self._share_right, weights.sum(axis=1))
        values["mcc"] = matthews_correlation(scored)
        if self._predictions.binary:
            values |= binary_metrics(scored, self._predictions.positive_code)
        else:
            values["top_2_accuracy"] = ratio(weights @ self._among_top_2, drawn)
        values |= average_f1(scored, self._present)
        values |= self._calibration.metrics(weights)
        if self._rankings:
            values |= self._ranked(weights)
        generated = accuracy_metrics(_weighted(weights, self._generated), self._present)
        values |= {f"generated_{name}": value for name, value in generated.items()}
        values["invalid_rate"] = ratio(weights @ self._invalid, drawn)
        values["agreement"] = ratio(weights @ self._agreeing, drawn)
        return values

    def part(self, chosen: np.ndarray) -> "LabelMeasurement":
        return LabelMeasurement(self._predictions.part(chosen), whole=self._predictions)

    def confusion(self) -> Confusion:
        """Return counts of true labels in rows, likeliest labels in columns."""
        labels = self._predictions.labels
        return count_answers(self._predictions.actual, self._predictions.predicted, labels, labels)

    def confusion_rows(self) -> Iterator[tuple[str, str]]:
        table = self._predictions.table
        yield from zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True)

    def _ranked(self, weights: np.ndarray) -> Resampled:
        if self._predictions.binary:
            return self._rankings[0].metrics(weights)
        ranked = [ranking.metrics(weights) for ranking in self._rankings]
        return {
            f"macro_{name}": mean_over_labels(np.stack([r[name] for r in ranked], axis=-1))
            for name in ranked[0]
        }


def _weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return counts (resamples, …) of the drawn cells. Whole numbers, so exact in any order."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return (weights @ flat).reshape(len(weights), *counts.shape[1:])
