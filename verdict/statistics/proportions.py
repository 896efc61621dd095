"""Which records a metric is a proportion of, and how many independent ones they are worth.

An interval needs it where no resample moves a number: ``verdict.comparison.intervals``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.metrics import METRICS


@dataclass(frozen=True)
class Proportion:
    """A proportion, the effective number of its records, and its weight in what it is part of."""

    value: float
    size: float
    weight: float = 1.0


@dataclass(frozen=True)
class Proportions:
    """What one model's metrics are proportions of."""

    predictions: Predictions
    #: Codes (n) of the labels that are answered; and those that a mean over labels is over.
    answered: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    present: Sequence[int] = ()
    #: Bool (n): which questions of free text are closed.
    closed: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def of(self, name: str, value: float) -> list[Proportion]:
        """Return the proportions that a metric is the weighted sum of; none where it is none.

        The area under the ROC curve is a proportion of pairs of a positive and another record; it
        has the effective size of the rarer of the two.
        """
        p, metric = self.predictions, METRICS[name]
        if metric.proportion_of is None:
            return []
        if metric.proportion_of in ("each label", "pairs"):
            own = {code: p.actual == code for code in self.present}
            sizes = {code: effective_size(p, chosen) for code, chosen in own.items()}
            if metric.proportion_of == "pairs":
                return [Proportion(value, min(sizes.values()))]
            answered = p.parsed if metric.rates == "words" else self.answered
            return [
                Proportion(float((answered[chosen] == code).mean()), sizes[code], 1 / len(own))
                for code, chosen in own.items()
                if chosen.any()
            ]
        return [Proportion(value, effective_size(p, self._records(metric.proportion_of)))]

    def _records(self, what: str) -> np.ndarray:
        """Return the records that a proportion is of, bool (n); one a cell stands for its group."""
        p = self.predictions
        if what == "groups":
            first = np.unique(p.cell_codes, return_index=True)[1]
            return np.isin(np.arange(len(p)), first)
        if what == "closed":
            return self.closed
        if what == "records":
            return np.ones(len(p), bool)
        positive = (self.answered if what == "called positive" else p.actual) == p.positive_code
        return ~positive if what == "negative" else positive


def effective_size(predictions: Predictions, chosen: np.ndarray) -> float:
    """Return how many independent records the chosen ones, bool (n), are worth at least.

    It is n² over the number of pairs of records that share a group, each with itself included; of
    groups of equal size it is the number of groups (Korn & Graubard 1998; Kish 1965, section 5.4).
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
