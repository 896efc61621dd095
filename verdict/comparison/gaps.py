"""The largest difference between subgroups, with an interval that allows for having looked for it.

All pairs of values have simultaneous intervals, by the distribution of the largest of their
studentised differences over the bootstrap resamples (max-t: Hothorn, Bretz & Westfall 2008,
"Simultaneous inference in general parametric models", Biom. J. 50:346; by a bootstrap: Romano &
Wolf 2005, Econometrica 73:1237). So that of the widest pair holds, though it was chosen as such.

Where no resample moves a proportion, as all of its records are right, its standard error is that of
Agresti and Coull (1998, Am. Stat. 52:119), with the effective sample size of clustered records, and
Bonferroni's correction is taken instead of resamples, which do not know how far it might move.
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

#: Successes, and as many failures, that Agresti and Coull add.
ADDED = 2


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
    unmoved = np.ptp(defined, axis=0) == 0 if len(defined) else np.ones(len(values), bool)
    added = (values * sizes + ADDED) / (sizes + 2 * ADDED)
    at_edge = np.where(unmoved, added * (1 - added) / (sizes + 2 * ADDED), 0)
    errors, largest = {}, np.zeros(len(defined))
    for i, j in combinations(range(len(values)), 2):
        apart = defined[:, i] - defined[:, j] - (values[i] - values[j])
        error = np.sqrt((apart**2).mean() if len(defined) else 0.0)
        errors[i, j] = float(np.sqrt(error**2 + at_edge[i] + at_edge[j]))
        largest = np.maximum(largest, np.abs(apart) / errors[i, j])
    if unmoved.any():
        reach = norm.isf((1 - confidence) / 2 / len(errors))
    else:
        reach = np.quantile(largest, confidence)
    return {
        (i, j): (
            max(-1.0, float(values[i] - values[j] - reach * error)),
            min(1.0, float(values[i] - values[j] + reach * error)),
        )
        for (i, j), error in errors.items()
    }
