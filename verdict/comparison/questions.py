"""What is asked of one model about decisions: a statistic for resamples, and what these answer.

What the validation split decides, a map or a threshold, is held fixed while records are drawn.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy.special import expit

from verdict.comparison.decision_results import Abstention, Band, CostThreshold
from verdict.comparison.intervals import Measured, estimate
from verdict.comparison.results import Estimate
from verdict.comparison.thresholds import at_threshold
from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled
from verdict.statistics.decisions import (
    COVERAGES,
    ODDS,
    CostMeasurement,
    NetBenefit,
    Selection,
    certainty_of,
    threshold_by_cost,
    threshold_by_coverage,
)
from verdict.statistics.formats import DECIMALS, rounded
from verdict.statistics.kinds import BINARY
from verdict.statistics.proportions import Proportion, effective_size


class Question(Protocol):
    """What is asked of one model: a statistic for resamples, and what these make of it."""

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples, …) for weights (resamples, cells)."""

    def answer(self, drawn: Resampled, confidence: float) -> Any:
        """Return the part of ``Decisions`` for what was drawn."""


class Benefit(NetBenefit):
    """A decision curve of some probabilities (n, labels)."""

    def __init__(self, p: Predictions, probabilities: np.ndarray):
        positive = p.actual == p.positive_code
        super().__init__(p.cell_codes, positive, probabilities[:, p.positive_code])
        self._worth = effective_size(p, np.ones(len(p), bool))

    def answer(self, drawn: Resampled, confidence: float) -> Band:
        found, alarms = (x.sum(axis=0) / self.records for x in (self.found, self.alarms))
        parts = [
            [Proportion(own, self._worth), Proportion(other, self._worth, -odds)]
            for own, other, odds in zip(found, alarms, ODDS, strict=True)
        ]
        return _band(found - ODDS * alarms, drawn["net_benefit"], parts, confidence)


class RiskByCoverage(Selection):
    """The risk at each of ``COVERAGES``, by thresholds of the test records themselves."""

    def __init__(self, p: Predictions):
        certainty = certainty_of(p)
        levels = [threshold_by_coverage(certainty, share) for share in COVERAGES]
        super().__init__(p.cell_codes, p.predicted != p.actual, certainty, np.array(levels))
        self._sizes = [effective_size(p, certainty >= level) for level in levels]

    def answer(self, drawn: Resampled, confidence: float) -> tuple[list[float], Band]:
        """Return the shares that are answered, and the risk there."""
        whole = self.whole()
        parts = [[Proportion(*one)] for one in zip(whole["risk"], self._sizes, strict=True)]
        answered = [round(float(share), DECIMALS) for share in whole["coverage"]]
        return answered, _band(whole["risk"], drawn["risk"], parts, confidence)


class Abstaining(Selection):
    """What it leads to that a share of the validation records is answered."""

    def __init__(self, p: Predictions, validation: Predictions, coverage: float):
        certainty, elsewhere = certainty_of(p), certainty_of(validation)
        self._level = threshold_by_coverage(elsewhere, coverage)
        wrong = p.predicted != p.actual
        super().__init__(p.cell_codes, wrong, certainty, np.array([self._level]))
        self._sizes = [effective_size(p, c) for c in (certainty >= self._level, wrong | ~wrong)]
        self._all = float(wrong.mean())
        kept = elsewhere >= self._level
        self._validation = kept, (validation.predicted != validation.actual)[kept]

    def answer(self, drawn: Resampled, confidence: float) -> Abstention:
        answered, every = self._sizes
        whole = {name: rounded(values[0]) for name, values in self.whole().items()}
        risk, coverage = whole["risk"], whole["coverage"]
        own = [] if risk is None else [Proportion(risk, answered)]
        parts = {
            "coverage": [] if coverage is None else [Proportion(coverage, every)],
            "risk": own,
            "spared": [
                Proportion(self._all, every),
                *(Proportion(x.value, x.size, -1) for x in own),
            ],
        }
        found = {
            name: estimate(whole[name], drawn[name][:, 0], confidence, parts[name])
            for name in parts
        }
        return Abstention(
            probability=round(float(expit(self._level)), DECIMALS),
            validation_coverage=round(float(self._validation[0].mean()), DECIMALS),
            validation_risk=round(float(self._validation[1].mean()), DECIMALS),
            **found,
        )


class Priced(CostMeasurement):
    """The test records at the threshold that costs least on the validation split."""

    def __init__(self, p: Predictions, validation: Predictions, cost: float):
        code = validation.positive_code
        self._log_odds, self._validation = threshold_by_cost(
            validation.scores[:, code], validation.actual == code, cost
        )
        super().__init__(
            at_threshold(p, np.inf if self._log_odds is None else self._log_odds), cost
        )
        self._worth = effective_size(p, np.ones(len(p), bool))

    def answer(self, drawn: Resampled, confidence: float) -> CostThreshold:
        values, metrics = self.values(), BINARY.shown("threshold")
        found = Measured(values, drawn, self.measured.proportions).estimates(metrics, confidence)
        costs = {
            name: estimate(values[name], drawn[name], confidence, parts)
            for name, parts in self.proportions(self._worth).items()
        }
        return CostThreshold(
            probability=None
            if self._log_odds is None
            else round(float(expit(self._log_odds)), DECIMALS),
            validation_cost=round(self._validation, DECIMALS),
            metrics=found | costs,
            needed_to_evaluate=_inverse(found["precision"]),
            needed_to_screen=_inverse(costs["found"]),
        )


def _band(
    values: np.ndarray,
    resampled: np.ndarray,
    parts: Sequence[Sequence[Proportion]],
    confidence: float,
) -> Band:
    """Put an interval around each of the values (k); ``resampled`` is (resamples, k)."""
    points = [
        estimate(float(value), resampled[:, i], confidence, own)
        for i, (value, own) in enumerate(zip(values, parts, strict=True))
    ]
    return Band([x.value for x in points], [x.low for x in points], [x.high for x in points])


def _inverse(share: Estimate) -> Estimate:
    """Return one over a share; its interval is open, so none, where the share's reaches 0."""
    if not share.value:
        return Estimate(None, undefined=share.undefined)
    value = rounded(1 / share.value)
    if not share.low or not share.high:
        return Estimate(value, undefined=share.undefined)
    return Estimate(value, rounded(1 / share.high), rounded(1 / share.low), share.undefined)
