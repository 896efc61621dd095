"""Measure predicted labels, on the records themselves and on resamples of their groups."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.counts import (
    Confusion,
    Resampled,
    confusion_by_cell,
    count_answers,
    mean_over_labels,
    ratio,
    summable,
)
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import Kind, kind_of
from verdict.statistics.metrics import METRICS
from verdict.statistics.probabilities import Calibration, Ranking
from verdict.statistics.proportions import Proportions


class LabelMeasurement:
    """A ``Measurement`` of predicted labels. What a metric needs is counted once, when it is asked.

    Args:
        predictions: of a task with labels.
        answered: codes (n) of the labels that are answered; None: the likeliest ones.
        metrics: names of those to measure; None: all of the kind.
        present: bool (labels): those that a mean over labels is over; None: those of the records.
    """

    def __init__(
        self,
        predictions: Predictions,
        *,
        answered: np.ndarray | None = None,
        metrics: Sequence[str] | None = None,
        present: np.ndarray | None = None,
    ):
        self.predictions = predictions
        self.answered = predictions.predicted if answered is None else answered
        self.kind: Kind = kind_of(predictions)
        self.metrics = self.kind.metrics if metrics is None else tuple(metrics)
        labels = np.arange(len(predictions.labels))
        self.present = np.isin(labels, predictions.actual) if present is None else present
        self.positive = predictions.positive_code if predictions.binary else None
        self.cells = predictions.cell_codes
        self.size = np.bincount(self.cells)

    @property
    def right(self) -> np.ndarray:
        """Bool (n): whether the answered label is the true one."""
        return self.predictions.actual == self.answered

    @property
    def proportions(self) -> Proportions:
        present = np.flatnonzero(self.present).tolist()
        return Proportions(self.predictions, self.answered, present)

    def values(self) -> dict[str, float | int | None]:
        sizes: dict[str, float | int | None] = {"n": len(self.predictions)}
        if self.positive is not None:
            sizes["positives"] = int((self.predictions.actual == self.positive).sum())
        if len(self.predictions) == 0:
            return sizes | dict.fromkeys(self.metrics)
        whole = self(np.ones((1, len(self.size))))
        return sizes | {name: rounded(value[0]) for name, value in whole.items()}

    def __call__(self, weights: np.ndarray) -> Resampled:
        drawn = LabelDraws(self, weights)
        return {name: METRICS[name].of(drawn) for name in self.metrics}

    def part(self, chosen: np.ndarray) -> "LabelMeasurement":
        return LabelMeasurement(
            self.predictions.part(chosen),
            metrics=self.kind.shown("subgroups"),
            present=self.present,
        )

    def confusion(self) -> Confusion:
        """Return counts of true labels in rows, answered labels in columns."""
        labels = self.predictions.labels
        return count_answers(self.predictions.actual, self.answered, labels, labels)

    def confusion_rows(self) -> Iterator[tuple[str, str]]:
        table = self.predictions.table
        yield from zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True)

    @cached_property
    def labels(self) -> np.ndarray:
        """Counts (cells, labels, labels + 1) of answered labels by the true ones."""
        p = self.predictions
        return confusion_by_cell(self.cells, p.actual, self.answered, len(p.labels))

    @cached_property
    def words(self) -> np.ndarray:
        """Counts as ``labels``, of the labels in what was written."""
        p = self.predictions
        return confusion_by_cell(self.cells, p.actual, p.parsed, len(p.labels))

    @cached_property
    def share_right(self) -> np.ndarray:
        """Of each cell's records (cells)."""
        return summable(np.bincount(self.cells, weights=self.right) / self.size)

    @cached_property
    def sums(self) -> dict[str, np.ndarray]:
        """How many records of each cell (cells) are of a sort, whose share is a metric."""
        parsed = self.predictions.parsed
        sorts = {
            "invalid": parsed < 0,
            "unfinished": self.predictions.unfinished,
            "agreeing": parsed == self.predictions.predicted,
            "among_top_2": among_top_2(self.predictions),
        }
        return {name: np.bincount(self.cells, weights=found) for name, found in sorts.items()}

    @cached_property
    def rankings(self) -> list[Ranking]:
        """Of the positive label of two, or of each of more that the records hold."""
        actual, scores = self.predictions.actual, self.scores
        codes = np.unique(actual) if self.positive is None else [self.positive]
        return [Ranking(self.cells, actual == code, scores[:, code]) for code in codes]

    @cached_property
    def calibration(self) -> Calibration:
        actual = self.predictions.actual
        return Calibration(self.cells, actual, self.probabilities, self.positive)

    @property
    def scores(self) -> np.ndarray:
        return self.predictions.scores

    @property
    def probabilities(self) -> np.ndarray:
        return self.predictions.probabilities


class LabelDraws:
    """What a model's drawn records add up to, for weights (draws, cells); arrays (draws, …).

    Args:
        measured: the model's records.
        weights: how often each cell was drawn.
    """

    def __init__(self, measured: LabelMeasurement, weights: np.ndarray):
        self._measured, self._weights = measured, weights
        self.present, self.positive = measured.present, measured.positive

    @cached_property
    def labels(self) -> np.ndarray:
        """Counts (draws, labels, labels + 1) of answered labels by the true ones."""
        return self._weighted(self._measured.labels)

    @cached_property
    def words(self) -> np.ndarray:
        """The same of the labels in what was written; the last column has what names none."""
        return self._weighted(self._measured.words)

    @cached_property
    def ranked(self) -> Resampled:
        """The metrics of ``Ranking``, over several labels their mean."""
        found = [ranking.metrics(self._weights) for ranking in self._measured.rankings]
        if self.positive is not None:
            return found[0]
        return {
            name: mean_over_labels(np.stack([values[name] for values in found], axis=-1))
            for name in found[0]
        }

    @cached_property
    def calibration(self) -> Resampled:
        """The metrics of ``Calibration``."""
        return self._measured.calibration.metrics(self._weights)

    @property
    def group_accuracy(self) -> np.ndarray:
        """The mean over drawn cells of the share of their records that are right.

        Of patients it is the "patient recognition rate" (Spanhol et al. 2016). Cells are groups,
        and pairs of groups that records link: of two linked entities neither is right or wrong by
        itself.
        """
        return ratio(self._weights @ self._measured.share_right, self._weights.sum(axis=1))

    def mean(self, name: str) -> np.ndarray:
        """Return the share of drawn records that are of a sort of ``LabelMeasurement.sums``."""
        drawn = self._weights @ self._measured.size
        return ratio(self._weights @ self._measured.sums[name], drawn)

    def _weighted(self, counts: np.ndarray) -> np.ndarray:
        """Return counts (draws, …) of the drawn cells; whole ones are exact in any order."""
        flat = counts.reshape(len(counts), -1).astype(np.float64)
        return (self._weights @ flat).reshape(len(self._weights), *counts.shape[1:])


def among_top_2(predictions: Predictions) -> np.ndarray:
    """Return bool (n): whether the true label is one of the two likeliest.

    Of equally likely labels the first ones win, as in ``predicted``.
    """
    values, actual = predictions.log_probabilities, predictions.actual
    own = np.take_along_axis(values, actual[:, None], axis=1)
    earlier = np.arange(values.shape[1]) < actual[:, None]
    return ((values > own) | ((values == own) & earlier)).sum(axis=1) < 2
