"""What resamples say of a number: its interval, and the p value of a difference.

Where all groups have the same proportion, 15 of 15 or the same half, every bootstrap resample has
it, too, and the percentile interval has no width, though other groups might differ. There the
interval is that of Clopper and Pearson (1934, Biometrika 26:404), exact for independent records,
with the effective sample size of clustered ones (Korn & Graubard 1998, "Confidence intervals for
proportions with small expected number of positive counts estimated from survey data", Survey
Methodology 24:193). Its design effect cannot be estimated where nothing varies, so it is the
largest that there can be: that of records which are all alike within their group (Kish 1965,
"Survey Sampling", section 5.4). A mean or difference of proportions has the interval of MOVER, the
method of variance estimates recovery (Zou & Donner 2008, Stat. Med. 27:1693), which is Newcombe's
(1998, Stat. Med. 17:873) for two of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from verdict.comparison.results import Estimate, Estimates
from verdict.statistics.counts import Resampled
from verdict.statistics.formats import rounded
from verdict.statistics.proportions import Proportion, Proportions

#: Differences are compared with zero after rounding to this many decimals: two models with
#: equal metrics may differ by the order of a sum, or by ``counts.QUANTUM``.
EQUAL_DECIMALS = 10


@dataclass(frozen=True)
class Measured:
    """A model's metrics: on the records themselves, and on each resample of them."""

    values: Mapping[str, float | None]
    resampled: Resampled
    #: What the metrics are proportions of, where that is known.
    proportions: Proportions | None = None

    def parts(self, metric: str) -> Sequence[Proportion]:
        """Return the proportions that a metric consists of; none where that is unknown."""
        value = self.values[metric]
        if self.proportions is None or value is None:
            return ()
        return self.proportions.of(metric, value)

    def estimates(self, metrics: Iterable[str], confidence: float) -> Estimates:
        """Return each of the metrics with its interval; with none where it would have no width.

        That is where no resample moves what is no proportion, such as the F1 of answers that are
        all right: others need not be.
        """
        found = {
            name: estimate(self.values[name], self.resampled[name], confidence, self.parts(name))
            for name in metrics
        }
        return {
            name: replace(one, low=None, high=None) if one.low == one.high else one
            for name, one in found.items()
        }


def estimate(
    value: float | None, resampled: np.ndarray, confidence: float, parts: Sequence[Proportion] = ()
) -> Estimate:
    """Put the percentile interval of ``resampled`` (resamples) around ``value``.

    An undefined value gets no interval, whatever some resamples say. Where all resamples are equal
    and the value consists of proportions (``parts``), it has their ``interval``.
    """
    defined = resampled[~np.isnan(resampled)]
    undefined = len(resampled) - len(defined)
    if value is None or len(defined) == 0:
        return Estimate(rounded(value), undefined=undefined)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    if parts and round(high - low, EQUAL_DECIMALS) == 0:
        low, high = interval(value, parts, confidence)
    return Estimate(rounded(value), rounded(low), rounded(high), undefined)


def p_value(differences: np.ndarray) -> float | None:
    """Return the two-sided bootstrap p of no difference; None where none is defined.

    Twice the smaller share of resamples on either side of zero, each with one added (Davison &
    Hinkley 1997, section 4.2), so that it is never 0.
    """
    defined = np.round(differences[~np.isnan(differences)], EQUAL_DECIMALS)
    n = len(defined)
    if n == 0:
        return None
    below, above = int((defined <= 0).sum()), int((defined >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (n + 1))


def interval(value: float, parts: Sequence[Proportion], confidence: float) -> tuple[float, float]:
    """Return the ends of the interval of a weighted sum of proportions."""
    below = above = 0.0
    for part in parts:
        share = min(1.0, max(0.0, part.value))
        low, high = proportion_confint(
            share * part.size, part.size, alpha=1 - confidence, method="beta"
        )
        down, up = share - low, high - share
        if part.weight < 0:
            down, up = up, down
        below += (part.weight * down) ** 2
        above += (part.weight * up) ** 2
    return value - math.sqrt(below), value + math.sqrt(above)
