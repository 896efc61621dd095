"""What was answered, counted by what was to be answered."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Confusion:
    """Counts (actual, predicted): a row for each true answer, a column for each given one."""

    actual: tuple[str, ...]
    predicted: tuple[str, ...]
    counts: np.ndarray


def count_answers(
    actual: np.ndarray, predicted: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...]
) -> Confusion:
    """Count pairs of codes (n) in ``rows`` and ``columns``."""
    size = (len(rows), len(columns))
    cells = np.bincount(actual * size[1] + predicted, minlength=size[0] * size[1])
    return Confusion(rows, columns, cells.reshape(size))
