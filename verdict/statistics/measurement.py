"""Measure a model's predictions, whatever their kind: the one door to labels and to texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from verdict.core.files import write_csv, write_json
from verdict.predictions import Predictions
from verdict.statistics.counts import Confusion, Resampled
from verdict.statistics.kinds import Kind
from verdict.statistics.labels import LabelMeasurement
from verdict.statistics.probabilities import roc_curves
from verdict.statistics.proportions import Proportions
from verdict.statistics.texts import measure_texts


class Measurement(Protocol):
    """One model's predictions, measured on the records themselves and on any resample of them."""

    predictions: Predictions
    kind: Kind

    @property
    def right(self) -> np.ndarray:
        """Bool (n): whether each record's answer is right."""

    @property
    def proportions(self) -> Proportions:
        """What the metrics are proportions of."""

    def values(self) -> dict[str, float | int | None]:
        """Return how many records there are, and the metrics of ``kind``; rounded, flat.

        What is undefined (0/0, one label only, no records) is None.
        """

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return metrics for weights (resamples, cells); cells as in ``cell_codes``."""

    def part(self, chosen: np.ndarray) -> "Measurement":
        """Return the measurement of some records, a bool array (n), as subgroups show it.

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


def write_measurement(metrics: Path, name: str, predictions: Predictions) -> None:
    """Write ``NAME.json``, ``plots/confusion_NAME.csv`` and ``plots/roc_NAME.csv``.

    With more than two labels there is a curve for each of them, which one plot a model cannot show;
    then, and where a curve is undefined, its file has no rows.

    Args:
        metrics: the folder.
        name: of the model.
        predictions: on the test split.
    """
    measured, plots = measure(predictions), metrics / "plots"
    write_json(metrics / f"{name}.json", measured.values())
    write_csv(plots / f"confusion_{name}.csv", ("actual", "predicted"), measured.confusion_rows())
    positive = predictions.positive
    curve = roc_curves(predictions)[positive] if positive is not None else None
    write_csv(
        plots / f"roc_{name}.csv",
        ("false_positive_rate", "true_positive_rate"),
        zip(curve.x.tolist(), curve.y.tolist(), strict=True) if curve else (),
    )
