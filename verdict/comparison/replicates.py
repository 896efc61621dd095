"""The same training with several seeds: its mean, and how much of a number is the seed's chance.

A single training is one draw from many that would have been as good. The order of its rows and the
first values of its weights move a metric about as much as the choice of a method often does
(Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", MLSys).
"""

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from verdict.comparison.intervals import Measured
from verdict.comparison.results import Replicated
from verdict.statistics.counts import Resampled
from verdict.statistics.formats import rounded


def average(
    trainings: Sequence[Measured], metrics: Sequence[str], confidence: float, seed: int
) -> tuple[Measured, Replicated]:
    """Return the mean of several trainings, with a bootstrap on two levels.

    Each resample has its groups, which all models share, and beside them trainings drawn with
    replacement: the two cross, as every training answers about every record (Owen 2007, "The
    pigeonhole bootstrap", Ann. Appl. Stat. 1:386). One training fewer is drawn than there are:
    drawing as many would show only (n - 1)/n of the variance between them (Rao & Wu 1988, J. Am.
    Stat. Assoc. 83:231).

    A few trainings still tell little. With two of them a resample is the one or the other; with
    fewer than about five, the ends of an interval are those of the best and the worst, and it
    covers the truth less often than it says. ``benchmarks/coverage.py`` counts how often five of
    them do, and how much less often a single one. Only the seed varies: another split of the data,
    or other choices, are not in it.

    Args:
        trainings: two or more; all share their resamples.
        metrics: what to average. Undefined for one training is undefined for the mean.
        confidence: of the intervals.
        seed: of the bootstrap; the trainings are drawn from a stream of their own.
    """
    values = {name: [training.values[name] for training in trainings] for name in metrics}
    resampled: Resampled = {}
    for name in metrics:
        columns = np.stack([training.resampled[name] for training in trainings], axis=1)
        resampled[name] = (columns * _shares(len(columns), len(trainings), seed)).sum(axis=1)
    mean = Measured(
        {name: _over(statistics.fmean, values[name]) for name in metrics},
        resampled,
        trainings[0].proportions,
    )
    deviations = {name: rounded(_over(statistics.stdev, values[name])) for name in metrics}
    return mean, Replicated(mean.estimates(metrics, confidence), deviations)


def _over(function: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(function(known)) if len(known) == len(values) else None


def _shares(resamples: int, trainings: int, seed: int) -> np.ndarray:
    """Return the share (resamples, trainings) that each training has in each resample."""
    generator = np.random.Generator(np.random.PCG64([seed, trainings]))
    drawn = generator.integers(0, trainings, size=(resamples, trainings - 1))
    return (drawn[:, :, None] == np.arange(trainings)).mean(axis=1)
