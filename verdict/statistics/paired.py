"""Tests of two models on the same records, and their correction for being several."""

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


def mcnemar_p(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the exact two-sided McNemar p of equal shares of right answers; None without records.

    The test takes records as independent. Where several come from one patient its p is too
    small: there the bootstrap over groups stands alone.

    Args:
        first, second: bool (n): whether the two models' answers are right.
    """
    if len(first) == 0:
        return None
    table = [
        [(first & second).sum(), (first & ~second).sum()],
        [(~first & second).sum(), (~first & ~second).sum()],
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
