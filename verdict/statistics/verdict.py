"""The verdict: one sentence that claims no more than its interval carries."""

from dataclasses import dataclass
from typing import Literal

from verdict.predictions import Predictions
from verdict.statistics.estimates import Estimate
from verdict.statistics.formats import (
    format_difference,
    format_number,
    format_p,
    format_percent,
    mean_of,
    shortened,
)
from verdict.statistics.kinds import METRIC_TITLES

#: The name of the model that training starts from: against it, a difference is due to tuning.
BASE = "base"

#: Fewest groups for an interval over groups.
MIN_GROUPS = 10

#: Fewest groups that must hold each label. With five, even a change that all of them share
#: has p = 2 · 0.5⁵ = 0.06 by a sign test; the bootstrap would not notice how few they are.
MIN_GROUPS_PER_LABEL = 6

Outcome = Literal["raised", "lowered", "unchanged", "none"]

_SENTENCES: dict[tuple[Outcome, bool], str] = {
    ("raised", True): "Tuning raised {metric} from {before} to {after} ({evidence})",
    ("lowered", True): "Tuning lowered {metric} from {before} to {after} ({evidence})",
    ("unchanged", True): "Tuning could not be shown to change {metric}: "
    "{after} after, {before} before ({evidence})",
    ("raised", False): "The {metric} of {candidate} is above that of {baseline}: "
    "{after} against {before} ({evidence})",
    ("lowered", False): "The {metric} of {candidate} is below that of {baseline}: "
    "{after} against {before} ({evidence})",
    ("unchanged", False): "The {metric} of {candidate} could not be shown to differ from "
    "that of {baseline}: {after} against {before} ({evidence})",
}

_HEADLINES: dict[tuple[Outcome, bool], str] = {
    ("raised", True): "Tuning raised {metric} by {size}",
    ("lowered", True): "Tuning lowered {metric} by {size}",
    ("unchanged", True): "Tuning could not be shown to change {metric}",
    ("raised", False): "{candidate} is {size} above {baseline} in {metric}",
    ("lowered", False): "{candidate} is {size} below {baseline} in {metric}",
    ("unchanged", False): "{candidate} could not be shown to differ from {baseline}",
}


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison in one word, in a figure's title and in one sentence."""

    outcome: Outcome
    headline: str
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """What the verdict rests on."""

    candidate: str
    baseline: str
    #: The name of the decisive metric.
    metric: str
    #: How many trainings of the candidate its numbers are the mean of.
    trainings: int
    #: This metric of the two models; None where undefined.
    after: float | None
    before: float | None
    #: Candidate minus baseline, its interval and its p.
    difference: Estimate
    p: float | None
    confidence: float
    #: How many groups there are, and what they are called in the plural.
    groups: int
    noun: str
    #: The commonest answer, and the name of the metric in which it is a rival; this metric of
    #: always giving that answer, and of the candidate, and their difference.
    majority: str
    majority_metric: str
    majority_value: float | None
    candidate_value: float | None
    over_majority: Estimate
    #: The decisive metric of always giving that answer, and the lower end of the candidate's
    #: interval in it.
    majority_decisive: float | None
    after_low: float | None


def decide(evidence: Evidence, obstacle: str | None) -> Verdict:
    """Return the verdict of a comparison.

    A change is claimed only where the whole interval lies on one side of zero and the p agrees.

    Args:
        evidence: the numbers.
        obstacle: why no verdict is possible, or None (``find_obstacle``).
    """
    difference = evidence.difference
    given = (
        evidence.before,
        evidence.after,
        difference.value,
        difference.low,
        difference.high,
        evidence.p,
    )
    numbers = [number for number in given if number is not None]
    if obstacle is not None or len(numbers) < len(given):
        return _no_verdict(evidence, obstacle or "the difference is undefined")
    before, after, _, low, high, p = numbers
    outcome = _outcome(low, high, p, evidence.confidence)
    decimals = _decimals(before, after, low, high, claimed=outcome != "unchanged")
    shown = _shown_difference(before, after, decimals)
    words = {
        "candidate": evidence.candidate,
        "baseline": evidence.baseline,
        "metric": METRIC_TITLES[evidence.metric],
        "before": format_number(before, decimals),
        "after": format_number(after, decimals),
        "size": format_number(abs(shown), decimals),
        "evidence": f"{format_difference(shown, decimals)}, "
        f"{format_percent(evidence.confidence)} CI {format_number(low, decimals)} to "
        f"{format_number(high, decimals)}, p {_equals(p)}, {evidence.groups:,} {evidence.noun}"
        + (f", {mean_of(evidence.trainings)}" if evidence.trainings > 1 else ""),
    }
    form = (outcome, evidence.baseline == BASE)
    sentence, headline = _SENTENCES[form].format(**words), _HEADLINES[form].format(**words)
    clause = _majority_clause(evidence)
    if not clause and outcome == "raised" and not _above_majority(evidence):
        always = f"always answering '{shortened(evidence.majority)}'"
        clause = f"; that is not shown to be above {always} ({evidence.majority_decisive:.2f})"
        headline += ", but not above one answer to all"
    return Verdict(outcome, headline, f"{sentence}{clause}.")


def find_obstacle(predictions: Predictions, noun: str) -> str | None:
    """Return why these records allow no verdict, or None; ``noun`` is what groups are called."""
    labels = predictions.labels
    if len(predictions) == 0:
        return "there are no records"
    records = {label: predictions.actual == code for code, label in enumerate(labels)}
    held = {label: units_of(predictions.part(has)) for label, has in records.items() if has.any()}
    if len(held) == 1:
        return f"all {len(predictions):,} records have the label {next(iter(held))}"
    if predictions.linked:
        noun = f"{noun} or pairs of them"
    count = units_of(predictions)
    if count < MIN_GROUPS:
        return f"there are too few {noun}, {count} where {MIN_GROUPS} are needed"
    rarest = min(held, key=lambda label: held[label], default=None)
    if rarest is not None and held[rarest] < MIN_GROUPS_PER_LABEL:
        return (
            f"{rarest} occurs in too few {noun}, {held[rarest]} where {MIN_GROUPS_PER_LABEL} "
            "are needed"
        )
    return None


def units_of(predictions: Predictions) -> int:
    """Return the number of groups, or of cells where these are fewer: pairs of groups."""
    return min(len(predictions.group_names), len(predictions.cell_groups))


def _outcome(low: float, high: float, p: float, confidence: float) -> Outcome:
    if p <= 1 - confidence and low > 0:
        return "raised"
    if p <= 1 - confidence and high < 0:
        return "lowered"
    return "unchanged"


def _no_verdict(evidence: Evidence, reason: str) -> Verdict:
    headline = f"No verdict on {METRIC_TITLES[evidence.metric]} is possible"
    sentence = f"{headline}: {reason}"
    if evidence.after is not None and evidence.before is not None:
        several = f"the {mean_of(evidence.trainings)} of " if evidence.trainings > 1 else ""
        sentence += (
            f" ({evidence.after:.2f} was measured for {several}{evidence.candidate} and "
            f"{evidence.before:.2f} for {evidence.baseline})"
        )
    return Verdict("none", headline, sentence + ".")


def _majority_clause(evidence: Evidence) -> str:
    """Say so where answering one and the same does better than the candidate."""
    high, own, other = (
        evidence.over_majority.high,
        evidence.candidate_value,
        evidence.majority_value,
    )
    if high is None or high >= 0 or own is None or other is None:
        return ""
    always = f"; always answering '{shortened(evidence.majority)}' would"
    if evidence.majority_metric == "accuracy":
        return f"{always} be right more often ({100 * other:.1f} % against {100 * own:.1f} %)"
    title = METRIC_TITLES[evidence.majority_metric]
    decimals = next((d for d in (2, 3) if round(other, d) != round(own, d)), 4)
    return f"{always} reach a higher {title} ({other:.{decimals}f} against {own:.{decimals}f})"


def _above_majority(evidence: Evidence) -> bool:
    """Say whether the candidate is shown to do better than one answer to all, where that is known.

    Else a model that learned no more than the commonest answer would be praised for it, where the
    baseline was worse than that.
    """
    if evidence.majority_metric == evidence.metric:
        low = evidence.over_majority.low
        return low is None or low > 0
    low, level = evidence.after_low, evidence.majority_decisive
    return low is None or level is None or low > level


def _equals(p: float) -> str:
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"


def _shown_difference(before: float, after: float, decimals: int) -> float:
    """Return the difference of the two numbers as they are shown, so that the reader's agrees."""
    return round(round(after, decimals) - round(before, decimals), decimals)


def _decimals(before: float, after: float, low: float, high: float, *, claimed: bool) -> int:
    """Return how many decimals show the numbers: two, as a rule.

    More are needed where a change is claimed, and rounding would make it or an end of its interval
    look like zero, or the difference of the rounded numbers lie outside the interval.
    """
    if not claimed:
        return 2
    for decimals in (2, 3):
        change = _shown_difference(before, after, decimals)
        ends = [round(end, decimals) for end in (low, high)]
        if ends[0] <= change <= ends[1] and all((change, *ends)):
            return decimals
    return 4
