"""Measure a model's predictions, whatever their kind: the one door to labels and to texts."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled
from verdict.statistics.confusion import Confusion
from verdict.statistics.edges import Edges
from verdict.statistics.kinds import Kind
from verdict.statistics.label_measurement import LabelMeasurement
from verdict.statistics.text_measurement import measure_texts


class Measurement(Protocol):
    """One model's predictions, measured on the records themselves and on any resample of them."""

    @property
    def kind(self) -> Kind: ...

    @property
    def right(self) -> np.ndarray:
        """Bool (n): whether each record's answer is right."""

    @property
    def edges(self) -> Edges:
        """What the metrics are proportions of."""

    def values(self) -> dict[str, float | int | None]:
        """Return how many records there are, and the metrics of ``kind``; rounded, flat."""

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return metrics for weights (resamples, cells); cells as in ``cell_codes``."""

    def part(self, chosen: np.ndarray) -> "Measurement":
        """Return the measurement of some records, a bool array (n); only of ``kind.parts``.

        A label of all records that is absent from the chosen ones leaves undefined what needs it.
        """

    def confusion(self) -> Confusion:
        """Return what was answered, counted by what was to be answered."""

    def confusion_rows(self) -> Iterator[tuple[str, str]]:
        """Yield (actual, predicted) record by record, for DVC's ``confusion`` template."""


def measure(predictions: Predictions) -> Measurement:
    """Return the measurement of these predictions."""
    if predictions.free_text:
        return measure_texts(predictions)
    return LabelMeasurement(predictions)
