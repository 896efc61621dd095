"""The largest difference between subgroups, with an interval that allows for having looked for it.

All pairs of values have simultaneous intervals, by the distribution of the largest of their
studentised differences over the bootstrap resamples (max-t: Hothorn, Bretz & Westfall 2008,
"Simultaneous inference in general parametric models", Biom. J. 50:346; by a bootstrap: Romano &
Wolf 2005, Econometrica 73:1237). So that of the widest pair holds, though it was chosen as such.

The standard errors are those of Agresti and Caffo (2000, Am. Stat. 54:280), who add successes and
failures to each proportion: without them an interval near 0 or 1 holds the truth too seldom. Of
clustered records the size of a proportion is the effective one, by its variance over resamples;
where none moves it, as all records are right, it is the smallest that there can be
(``effective_size``), and Bonferroni's correction stands in for resamples.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.stats import norm

from verdict.comparison.decision_results import Gap
from verdict.comparison.results import Estimate
from verdict.comparison.verdict import MIN_GROUPS, units_of
from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled, ratio
from verdict.statistics.formats import DECIMALS, rounded
from verdict.statistics.proportions import effective_size


class SubgroupShares:
    """Of one label's records the share that is answered so, by the values of an attribute.

    Args:
        predictions: of the records.
        called: bool (n): whether a record is answered with the label.
        own: bool (n): whether it has the label.
        parts: by value the records that have it, bool (n). Values are left out in which fewer than
            ``MIN_GROUPS`` groups have the label.
        about: what a ``Gap`` is of: its attribute, model, metric and ``by``.
    """

    def __init__(
        self,
        predictions: Predictions,
        called: np.ndarray,
        own: np.ndarray,
        parts: Mapping[str, np.ndarray],
        about: Mapping[str, str],
    ):
        held = {value: chosen & own for value, chosen in parts.items()}
        enough = {
            value: chosen
            for value, chosen in held.items()
            if units_of(predictions.part(chosen)) >= MIN_GROUPS
        }
        self._about = about
        self.compared = list(enough)
        self.left_out = [value for value in parts if value not in enough]
        self.sizes = np.array([effective_size(predictions, chosen) for chosen in enough.values()])
        self.values = np.array([called[chosen].mean() for chosen in enough.values()])
        cells, size = predictions.cell_codes, len(predictions.cell_groups)
        shape = (size, len(enough))
        self._all, self._called = (
            np.array([np.bincount(cells[x & also], minlength=size) for x in enough.values()])
            .reshape(shape[::-1])
            .T.astype(np.float64)
            for also in (np.ones(len(own), bool), called)
        )

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return the shares (resamples, values) for weights (resamples, cells)."""
        return {"shares": ratio(weights @ self._called, weights @ self._all)}

    def answer(self, drawn: Resampled, confidence: float) -> Gap | None:
        """Return the widest difference; None where fewer than two values can be compared."""
        if len(self.compared) < 2:
            return None
        values, resampled = self.values, drawn["shares"]
        ends = pair_intervals(values, resampled, self.sizes, confidence)
        first, second = max(ends, key=lambda pair: abs(values[pair[0]] - values[pair[1]]))
        low, high = ends[first, second]
        if values[first] < values[second]:
            first, second, low, high = second, first, -high, -low
        undefined = int(np.isnan(resampled).any(axis=1).sum())
        difference = rounded(values[first] - values[second])
        return Gap(
            **self._about,
            highest=self.compared[first],
            lowest=self.compared[second],
            high=round(float(values[first]), DECIMALS),
            low=round(float(values[second]), DECIMALS),
            difference=Estimate(difference, rounded(low), rounded(high), undefined),
            compared=self.compared,
            left_out=self.left_out,
        )


def pair_intervals(
    values: np.ndarray, resampled: np.ndarray, sizes: np.ndarray, confidence: float
) -> dict[tuple[int, int], tuple[float, float]]:
    """Return the simultaneous intervals of all differences of two of the shares.

    Args:
        values: the shares (k).
        resampled: the same of each resample (resamples, k); those with one undefined are left out.
        sizes: (k), how many independent records each is worth at least.
        confidence: with which all intervals hold at once.
    """
    defined = resampled[~np.isnan(resampled).any(axis=1)]
    off = defined - values if len(defined) else np.zeros((1, len(values)))
    moved, variance = np.ptp(off, axis=0) > 0, (off**2).mean(axis=0)
    pairs = list(combinations(range(len(values)), 2))
    apart = {(i, j): float(((off[:, i] - off[:, j]) ** 2).mean()) for i, j in pairs}
    largest = np.zeros(len(off))
    for (i, j), squared in apart.items():
        if squared > 0:
            largest = np.maximum(largest, np.abs(off[:, i] - off[:, j]) / np.sqrt(squared))
    reach = float(np.quantile(largest, confidence))
    if min(apart.values()) == 0 or not moved.all():
        reach = max(reach, float(norm.isf((1 - confidence) / 2 / len(pairs))))
    worth = np.where(moved, values * (1 - values) / np.where(moved, variance, 1), sizes)
    added = reach**2 / 4
    middle = (values * worth + added) / (worth + 2 * added)
    error = middle * (1 - middle) / (worth + 2 * added)
    ends = {}
    for (i, j), squared in apart.items():
        width = error[i] + error[j]
        if moved[i] and moved[j] and squared > 0:
            # They vary together where groups have records of both.
            width *= squared / (variance[i] + variance[j])
        difference, half = middle[i] - middle[j], reach * np.sqrt(width)
        found = values[i] - values[j]
        ends[i, j] = (
            float(max(-1, min(difference - half, found))),
            float(min(1, max(difference + half, found))),
        )
    return ends
