"""DeLong's test of two models' AUROC on the same records."""

import numpy as np
from scipy.stats import norm, rankdata


def delong_p(positive: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the two-sided p of equal AUROC of two scores, by DeLong's variance.

    The test takes records as independent. Where several come from one patient its p is too small:
    there the bootstrap over groups stands alone. DeLong, DeLong & Clarke-Pearson 1988, Biometrics
    44:837; computed from midranks as Sun & Xu 2014, IEEE Signal Process. Lett. 21:1389.

    Args:
        positive: bool (n): whether the record is of the positive label.
        first, second: scores (n), the larger the more positive.

    Returns:
        The p; 1 where the scores rank the records alike. None where either label has fewer than
        two records, or where no variance is left to measure a difference by.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if min(positives, negatives) < 2:
        return None
    above, below = (
        a - b
        for a, b in zip(_placements(positive, first), _placements(positive, second), strict=True)
    )
    difference = above.mean()
    variance = above.var(ddof=1) / positives + below.var(ddof=1) / negatives
    if variance == 0:
        return 1.0 if difference == 0 else None
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance)))


def _placements(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of negatives below each positive, and of positives above each negative.

    Ties count half. The mean of either array is the AUROC.
    """
    ranks = rankdata(scores)
    below = (ranks[positive] - rankdata(scores[positive])) / (~positive).sum()
    above = 1 - (ranks[~positive] - rankdata(scores[~positive])) / positive.sum()
    return below, above
