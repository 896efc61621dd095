"""What resamples say of a number: its percentile interval, and a p value of a difference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verdict.statistics.edges import Edges, Part, interval
from verdict.statistics.formats import rounded

#: Differences are compared with zero after rounding to this many decimals: two models with
#: equal metrics may differ by the order of a sum, or by ``bootstrap.QUANTUM``.
EQUAL_DECIMALS = 10


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, rounded for a report; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    #: Resamples in which the number was undefined; the interval leaves them out.
    undefined: int = 0

    def flat(self, name: str) -> dict[str, float | int | None]:
        """Return the entries of a metrics file."""
        entries: dict[str, float | int | None] = {
            name: self.value,
            f"{name}_low": self.low,
            f"{name}_high": self.high,
        }
        return entries | ({f"{name}_undefined": self.undefined} if self.undefined else {})


def estimate(
    value: float | None, resampled: np.ndarray, confidence: float, parts: Sequence[Part] = ()
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


def estimates(
    values: Mapping[str, float | None],
    resampled: Mapping[str, np.ndarray],
    metrics: Iterable[str],
    confidence: float,
    edges: Edges | None = None,
) -> dict[str, Estimate]:
    """Return the ``estimate`` of each of the metrics; ``edges`` are of the same model."""
    return {
        name: estimate(values[name], resampled[name], confidence, parts_of(edges, name, values))
        for name in metrics
    }


def parts_of(
    edges: Edges | None, metric: str, values: Mapping[str, float | None]
) -> Sequence[Part]:
    """Return the proportions that a model's metric consists of; none where that is unknown."""
    value = values[metric]
    return () if edges is None or value is None else edges.parts(metric, value)


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
