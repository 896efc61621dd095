"""What the models' probabilities are worth for decisions: mended, priced, and where they abstain.

Maps and thresholds are fitted and chosen on the validation split, and held fixed while the test
records are drawn again: that other validation records would have given others is not in the
intervals. All resamples are those of the comparison, as they are drawn by the same seed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import expit

from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.decision_results import (
    Abstention,
    Band,
    CostThreshold,
    DecisionCurves,
    Decisions,
    RiskCoverage,
)
from verdict.comparison.gaps import SubgroupShares
from verdict.comparison.intervals import Measured, estimate
from verdict.comparison.recalibration import Recalibrations
from verdict.comparison.results import Estimate
from verdict.comparison.subgroups import NOT_STATED, parts_of
from verdict.comparison.thresholds import at_threshold
from verdict.comparison.verdict import MIN_GROUPS, find_obstacle, units_of
from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled
from verdict.statistics.decisions import (
    COVERAGES,
    ODDS,
    PROBABILITIES,
    CostMeasurement,
    NetBenefit,
    Selection,
    certainty_of,
    threshold_by_cost,
    threshold_by_coverage,
    treat_all,
)
from verdict.statistics.formats import DECIMALS, rounded
from verdict.statistics.kinds import BINARY
from verdict.statistics.measurement import Measurement
from verdict.statistics.proportions import Proportion, effective_size
from verdict.statistics.recalibration import lacking_label

if TYPE_CHECKING:
    from verdict.params import Compare

#: Each metric of a gap: whether it is of the positive label.
GAPS = {"recall": True, "specificity": False}


class Question(Protocol):
    """What is asked of one model: a statistic for resamples, and what these make of it."""

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples, …) for weights (resamples, cells)."""

    def answer(self, drawn: Resampled, confidence: float) -> Any:
        """Return the part of ``Decisions`` for what was drawn."""


def find_decisions(
    models: Mapping[str, Measurement],
    validation: Mapping[str, Predictions],
    thresholds: Mapping[str, float],
    options: "Compare",
) -> Decisions | None:
    """Find what the models' probabilities are worth; None of free text, which has none.

    Args:
        models: by name, on the test split.
        validation: predictions of the validation split by the same names, or none.
        thresholds: by model, in log-odds, those for ``options.sensitivity``, if any.
        options: the section ``compare`` of the parameters.
    """
    tested = {name: model.predictions for name, model in models.items()}
    first = next(iter(tested.values()))
    if first.free_text or len(first) == 0:
        return None
    obstacle = obstacle_of(tested, validation, options.groups_are)
    answers: dict[str, dict[Any, Any]] = {}
    for name, p in tested.items():
        questions: dict[Any, Question] = {"risk": RiskByCoverage(p)}
        if p.binary:
            questions["stated"] = Benefit(p, p.probabilities)
            questions |= _gaps(name, p, thresholds.get(name), options)
        if obstacle is None:
            questions |= _fitted(p, validation[name], options)
        answers[name] = _answer(questions, p, options)

    def by_model(question: str) -> dict[str, Any]:
        return {name: found[question] for name, found in answers.items() if question in found}

    curves = None
    if first.binary:
        share = float((first.actual == first.positive_code).mean())
        every = [round(float(value), DECIMALS) for value in treat_all(share)]
        stated, mended = by_model("stated"), by_model("recalibrated")
        curves = DecisionCurves(PROBABILITIES.tolist(), every, stated, mended)
    answered = {name: found[0] for name, found in by_model("risk").items()}
    risk = {name: found[1] for name, found in by_model("risk").items()}
    elsewhere = next(iter(validation.values()), None)
    return Decisions(
        obstacle=obstacle,
        validation_records=0 if elsewhere is None else len(elsewhere),
        validation_groups=0 if elsewhere is None else len(elsewhere.group_names),
        recalibration=by_model("recalibration"),
        curves=curves,
        risk_coverage=RiskCoverage(COVERAGES.tolist(), answered, risk),
        coverage=options.coverage,
        abstention=by_model("abstention"),
        cost=options.cost if first.binary else None,
        thresholds=by_model("cost"),
        gaps=[
            gap
            for found in answers.values()
            for question, gap in found.items()
            if isinstance(question, tuple) and gap is not None
        ],
    )


def obstacle_of(
    test: Mapping[str, Predictions], validation: Mapping[str, Predictions], noun: str
) -> str | None:
    """Return why nothing can be fitted or chosen on these validation predictions, or None.

    Both are by model; ``noun`` is what groups are called, in the plural.
    """
    for name in test:
        if not len(validation.get(name, ())):
            return f"{name} was not asked about it (evaluate.validation)"
    first, other = (next(iter(found.values())) for found in (test, validation))
    if (other.labels, other.positive) != (first.labels, first.positive):
        return "its labels are others"
    shared = np.intersect1d(first.group_names, other.group_names)
    if len(shared):
        return f"it shares {len(shared):,} {noun} with the test split"
    if other.binary:
        found = find_obstacle(other, noun)
    else:
        count = units_of(other)
        few = f"there are too few {noun}, {count} where {MIN_GROUPS} are needed"
        found = few if count < MIN_GROUPS else None
    if found is not None:
        return found
    lacking = lacking_label(other)
    return f"{lacking} occurs in too few {noun}" if lacking else None


def _gaps(
    name: str, p: Predictions, log_odds: float | None, options: "Compare"
) -> dict[Any, Question]:
    positive = p.positive_code
    called = {"likeliest": p.predicted == positive}
    if log_odds is not None:
        called["threshold"] = p.scores[:, positive] >= log_odds
    return {
        (attribute, by, metric): SubgroupShares(
            p,
            said == of_positive,
            (p.actual == positive) == of_positive,
            {value: own for value, own in parts_of(p, attribute) if value != NOT_STATED},
            {"attribute": attribute, "model": name, "metric": metric, "by": by},
        )
        for attribute in options.subgroups
        for by, said in called.items()
        for metric, of_positive in GAPS.items()
    }


def _fitted(p: Predictions, validation: Predictions, options: "Compare") -> dict[Any, Question]:
    """Return what is asked of maps and thresholds that the validation split decides."""
    maps = Recalibrations(p, validation)
    questions: dict[Any, Question] = {"recalibration": maps}
    if p.binary:
        questions["recalibrated"] = Benefit(p, maps.probabilities[maps.chosen])
        if options.cost is not None:
            questions["cost"] = Priced(p, validation, options.cost)
    if options.coverage is not None:
        questions["abstention"] = Abstaining(p, validation, options.coverage)
    return questions


def _answer(
    questions: Mapping[Any, Question], p: Predictions, options: "Compare"
) -> dict[Any, Any]:
    drawn = bootstrap(
        questions,
        cells=p.cell_groups,
        records=len(p),
        resamples=options.resamples,
        seed=options.seed,
    )
    return {key: asked.answer(drawn[key], options.confidence) for key, asked in questions.items()}


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
