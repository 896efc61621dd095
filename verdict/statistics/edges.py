"""Intervals of proportions that no resample moves: 15 of 15, or the same half in each group.

Where all groups have the same proportion, every bootstrap resample has it, too, and the percentile
interval has no width, though other groups might differ. There the interval is that of Clopper and
Pearson (1934, Biometrika 26:404), exact for independent records, with the effective sample size of
clustered ones (Korn & Graubard 1998, "Confidence intervals for proportions with small expected
number of positive counts estimated from survey data", Survey Methodology 24:193). Its design effect
cannot be estimated where nothing varies, so it is the largest that there can be: that of records
which are all alike within their group (Kish 1965, "Survey Sampling", section 5.4).
A mean or difference of proportions has the interval of MOVER, the method of variance estimates
recovery (Zou & Donner 2008, Stat. Med. 27:1693), which is Newcombe's (1998, Stat. Med. 17:873) for
two of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from verdict.predictions import Predictions

#: Proportions of all records, or means over them of numbers from 0 to 1.
_OF_ALL = frozenset(
    {
        "accuracy",
        "top_2_accuracy",
        "agreement",
        "generated_accuracy",
        "invalid_rate",
        "exact_match",
        "token_f1",
        "rouge_l",
    }
)


@dataclass(frozen=True)
class Part:
    """A proportion, the effective number of its records, and its weight in what it is part of."""

    value: float
    size: float
    weight: float = 1.0


@dataclass(frozen=True)
class Edges:
    """What a model's metrics are proportions of."""

    predictions: Predictions
    #: Codes (n) of the answers by metric; the likeliest labels where a metric is not in it.
    answered: Mapping[str, np.ndarray]
    #: Codes of the labels that balanced accuracy is a mean over.
    present: Sequence[int] = ()
    #: Bool (n): which questions are closed.
    closed: np.ndarray | None = None

    def parts(self, metric: str, value: float) -> list[Part]:
        """Return the proportions that a metric is the weighted sum of; none where it is none.

        The area under the ROC curve is a proportion of pairs of a positive and another record; it
        has the effective size of the rarer of the two.
        """
        chosen = self._chosen(metric)
        if chosen is not None:
            return [Part(value, effective_size(self.predictions, chosen))]
        if metric == "group_accuracy":
            first = np.unique(self.predictions.cell_codes, return_index=True)[1]
            one_a_cell = np.isin(np.arange(len(self.predictions)), first)
            return [Part(value, effective_size(self.predictions, one_a_cell))]
        actual = [self.predictions.actual == code for code in self.present]
        if metric.endswith("balanced_accuracy"):
            answered = self.answered.get(metric, self.answered[""])
            return [
                Part(
                    float((answered[own] == code).mean()),
                    effective_size(self.predictions, own),
                    1 / len(actual),
                )
                for code, own in zip(self.present, actual, strict=True)
                if own.any()
            ]
        if metric in ("auroc", "macro_auroc"):
            return [Part(value, min(effective_size(self.predictions, own) for own in actual))]
        return []

    def _chosen(self, metric: str) -> np.ndarray | None:
        """Return which records a metric is a proportion of, bool (n); None where it is not one."""
        if metric in _OF_ALL:
            return np.ones(len(self.predictions), bool)
        if metric == "closed_accuracy":
            return self.closed
        if metric not in ("recall", "specificity", "precision"):
            return None
        codes = self.answered[""] if metric == "precision" else self.predictions.actual
        return (codes == self.predictions.positive_code) != (metric == "specificity")


def effective_size(predictions: Predictions, chosen: np.ndarray) -> float:
    """Return how many independent records the chosen ones, bool (n), are worth at least.

    It is n² over the number of pairs of records that share a group, each with itself included; of
    groups of equal size it is the number of groups.
    """
    records = np.bincount(predictions.cell_codes[chosen], minlength=len(predictions.cell_groups))
    first, second = predictions.cell_groups.T
    linked = first != second
    of_group = np.zeros(len(predictions.group_names))
    np.add.at(of_group, first, records)
    np.add.at(of_group, second[linked], records[linked])
    # Two records of the same two groups were counted for each of them.
    pairs = (of_group**2).sum() - (records[linked].astype(float) ** 2).sum()
    return float(records.sum() ** 2 / pairs) if pairs else 0.0


def interval(value: float, parts: Sequence[Part], confidence: float) -> tuple[float, float]:
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
