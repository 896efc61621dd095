"""Confusion matrices as tables of counts and shares."""

from collections.abc import Mapping
from dataclasses import dataclass

from verdict.predictions import Predictions
from verdict.report.page.wording import shown
from verdict.statistics.confusion import Confusion
from verdict.statistics.measurement import measure

#: Steps of the shading, from none to the strongest.
STEPS = 10


@dataclass(frozen=True)
class Count:
    """One cell: records, their share of the row in percent, the step of its shading."""

    records: int
    percent: int
    step: int
    right: bool


@dataclass(frozen=True)
class Matrix:
    """What one model answered, by what was to be answered."""

    model: str
    predicted: list[str]
    rows: list[tuple[str, list[Count]]]
    records: int


def matrices(predictions: Mapping[str, Predictions]) -> list[Matrix]:
    """Return a matrix for each model; of free text, of its closed questions alone."""
    return [_matrix(name, measure(found).confusion()) for name, found in predictions.items()]


def _matrix(model: str, table: Confusion) -> Matrix:
    rows = []
    for actual, counts in zip(table.actual, table.counts.tolist(), strict=True):
        total = sum(counts) or 1
        cells = [
            Count(count, round(100 * count / total), round(STEPS * count / total), name == actual)
            for name, count in zip(table.predicted, counts, strict=True)
        ]
        rows.append((shown(actual), cells))
    return Matrix(model, [shown(name) for name in table.predicted], rows, int(table.counts.sum()))
