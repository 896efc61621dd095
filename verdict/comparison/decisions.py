"""What the models' probabilities are worth for decisions: mended, priced, and where they abstain.

Maps and thresholds are fitted and chosen on the validation split, and held fixed while the test
records are drawn again: that other validation records would have given others is not in the
intervals. All resamples are those of the comparison, as they are drawn by the same seed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.decision_results import (
    DecisionCurves,
    Decisions,
    RiskCoverage,
)
from verdict.comparison.gaps import SubgroupShares
from verdict.comparison.questions import (
    Abstaining,
    Benefit,
    Priced,
    Question,
    RiskByCoverage,
)
from verdict.comparison.recalibration import Recalibrations
from verdict.comparison.subgroups import NOT_STATED, parts_of
from verdict.comparison.verdict import MIN_GROUPS, find_obstacle, units_of
from verdict.predictions import Predictions
from verdict.statistics.decisions import (
    COVERAGES,
    PROBABILITIES,
    treat_all,
)
from verdict.statistics.formats import DECIMALS
from verdict.statistics.measurement import Measurement
from verdict.statistics.recalibration import lacking_label

if TYPE_CHECKING:
    from verdict.params import Compare

#: Each metric of a gap: whether it is of the positive label.
GAPS = {"recall": True, "specificity": False}


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
