"""Paired differences of models: every resample draws the same groups for both.

Beside their p stand those of tests that take records as independent. Where several come from one
patient such a p is too small: there the bootstrap over groups stands alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import norm, rankdata
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from verdict.comparison.intervals import Measured, estimate, p_value
from verdict.comparison.results import Difference, Estimate
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import Kind
from verdict.statistics.measurement import Measurement


def paired_difference(
    first: Measured, second: Measured, metric: str, confidence: float
) -> Estimate:
    """Return ``first`` minus ``second`` with its interval; two that are equal differ by nothing."""
    a, b = first.values[metric], second.values[metric]
    value = None if a is None or b is None else a - b
    ours, theirs = first.parts(metric), second.parts(metric)
    parts = [*ours, *(replace(part, weight=-part.weight) for part in theirs)]
    resampled = first.resampled[metric] - second.resampled[metric]
    return estimate(value, resampled, confidence, parts if ours and theirs and value else ())


def find_difference(
    pair: tuple[str, str], measured: Mapping[str, Measured], kind: Kind, confidence: float
) -> Difference:
    """Return the first of a pair minus the second, by what was measured of each."""
    ours, theirs = (measured[name] for name in pair)
    metrics = kind.shown("differences")
    return Difference(
        *pair,
        {name: paired_difference(ours, theirs, name, confidence) for name in metrics},
        rounded(p_value(ours.resampled[kind.decisive] - theirs.resampled[kind.decisive])),
    )


def paired_differences(
    pairs: Iterable[tuple[str, str]],
    models: Mapping[str, Measurement],
    measured: Mapping[str, Measured],
    confidence: float,
) -> list[Difference]:
    """Compare each pair of models; all of them are one family for Holm's correction.

    ``models`` and ``measured`` have the models' names; all models share their resamples.
    """
    differences = [
        replace(
            find_difference((a, b), measured, models[a].kind, confidence),
            secondary=_secondary(models[a], models[b]),
        )
        for a, b in pairs
    ]
    corrected = holm([difference.p for difference in differences])
    return [replace(d, p_holm=rounded(p)) for d, p in zip(differences, corrected, strict=True)]


def _secondary(first: Measurement, second: Measurement) -> dict[str, float | None]:
    """Return the p of tests that hold only where no two records share a group."""
    ours, theirs = first.predictions, second.predictions
    independent = ours.independent
    found = {"mcnemar_p": rounded(mcnemar_p(first.right, second.right)) if independent else None}
    if ours.binary:
        code = ours.positive_code
        positive, scores = ours.actual == code, (ours.scores[:, code], theirs.scores[:, code])
        found["delong_p"] = rounded(delong_p(positive, *scores)) if independent else None
    return found


def mcnemar_p(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the exact two-sided McNemar p of equal shares of right answers; None without records.

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


def delong_p(positive: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the two-sided p of equal AUROC of two scores, by DeLong's variance.

    DeLong, DeLong & Clarke-Pearson 1988, Biometrics
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
