"""Tests of two models on the same records, and their correction for being several."""

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


def mcnemar_p(actual: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the exact two-sided McNemar p of equal accuracy; None without records.

    The test takes records as independent. Where several come from one patient its p is too
    small; it stands beside the bootstrap over groups because it is what others report.

    Args:
        actual: label codes (n).
        first, second: predicted label codes (n) of the two models.
    """
    if len(actual) == 0:
        return None
    first_right, second_right = first == actual, second == actual
    table = [
        [(first_right & second_right).sum(), (first_right & ~second_right).sum()],
        [(~first_right & second_right).sum(), (~first_right & ~second_right).sum()],
    ]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p values corrected by Holm's method over those that are defined."""
    defined = [i for i, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    if defined:
        adjusted = multipletests([p_values[i] for i in defined], method="holm")[1]
        for i, p in zip(defined, adjusted, strict=True):
            corrected[i] = float(p)
    return corrected
