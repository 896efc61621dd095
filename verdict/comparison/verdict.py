"""The verdict: one sentence that claims no more than its interval carries."""

from collections.abc import Iterator

from verdict.comparison.model import Comparison
from verdict.comparison.results import Outcome, Verdict
from verdict.predictions import Predictions
from verdict.statistics.formats import (
    format_difference,
    format_number,
    format_p,
    format_percent,
    mean_of,
    shortened,
)
from verdict.statistics.metrics import METRICS

#: The name of the model that training starts from: against it, a difference is due to tuning.
BASE = "base"

#: Fewest groups for an interval over groups.
MIN_GROUPS = 10

#: Fewest groups that must hold each label. With five, even a change that all of them share
#: has p = 2 · 0.5⁵ = 0.06 by a sign test; the bootstrap would not notice how few they are.
MIN_GROUPS_PER_LABEL = 6

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


def decide(comparison: Comparison, obstacle: str | None) -> Verdict:
    """Return the verdict of a comparison, which rests on the first of its differences.

    A change is claimed only where the whole interval lies on one side of zero and the p agrees.

    Args:
        comparison: the numbers.
        obstacle: why no verdict is possible, or None (``find_obstacle``).
    """
    metric, found = comparison.kind.decisive, comparison.differences[0]
    difference = found.metrics[metric]
    given = (
        *_values(comparison),
        difference.value,
        difference.low,
        difference.high,
        found.p,
    )
    numbers = [number for number in given if number is not None]
    if obstacle is not None or len(numbers) < len(given):
        return _no_verdict(comparison, obstacle or "the difference is undefined")
    before, after, _, low, high, p = numbers
    outcome = _outcome(low, high, p, comparison.confidence)
    decimals = _decimals(before, after, low, high, claimed=outcome != "unchanged")
    shown = _shown_difference(before, after, decimals)
    noun = f"synthetic {comparison.noun}" if comparison.synthetic else comparison.noun
    words = {
        "candidate": comparison.candidate,
        "baseline": comparison.baseline,
        "metric": METRICS[metric].title,
        "before": format_number(before, decimals),
        "after": format_number(after, decimals),
        "size": format_number(abs(shown), decimals),
        "evidence": f"{_evidence(shown, low, high, p, comparison.confidence, decimals)}, "
        f"{comparison.groups:,} {noun}"
        + (f", {mean_of(comparison.trainings)}" if comparison.replicates else ""),
    }
    form = (outcome, comparison.baseline == BASE)
    sentence, headline = _SENTENCES[form].format(**words), _HEADLINES[form].format(**words)
    clause = _majority_clause(comparison)
    if not clause and outcome == "raised" and not _above_majority(comparison):
        always = f"always answering '{shortened(comparison.majority)}'"
        level = comparison.baselines["majority"][metric]
        clause = f"; that is not shown to be above {always} ({level:.2f})"
        headline += ", but not above one answer to all"
    remarks = list(_chosen(comparison, decimals))
    rivals = [rival for name in comparison.trained if (rival := _rival(comparison, name))]
    if rivals and outcome == "raised" and headline == _HEADLINES[form].format(**words):
        headline += f", but not above {' and '.join(name for name, _ in rivals)}"
    remarks += [said for _, said in rivals]
    return Verdict(f"{sentence}{clause}.", tuple(remarks), headline, outcome)


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


def _values(comparison: Comparison) -> tuple[float | None, float | None]:
    """Return the decisive metric of the baseline, and of what is judged."""
    before, after = comparison.models[comparison.baseline], comparison.rated[comparison.judged]
    return before[comparison.kind.decisive].value, after[comparison.kind.decisive].value


def _no_verdict(comparison: Comparison, reason: str) -> Verdict:
    metric = comparison.kind.decisive
    headline = f"No verdict on {METRICS[metric].title} is possible"
    sentence = f"{headline}: {reason}"
    before, after = _values(comparison)
    if after is not None and before is not None:
        several = f"the {mean_of(comparison.trainings)} of " if comparison.replicates else ""
        sentence += (
            f" ({after:.2f} was measured for {several}{comparison.candidate} and "
            f"{before:.2f} for {comparison.baseline})"
        )
    return Verdict(sentence + ".", (), headline, "none")


def _majority_clause(comparison: Comparison) -> str:
    """Say so where answering one and the same does better than the candidate."""
    metric, high = comparison.kind.against_majority, comparison.over_majority.high
    own = comparison.rated[comparison.judged][metric].value
    other = comparison.baselines["majority"][metric]
    if high is None or high >= 0 or own is None or other is None:
        return ""
    always = f"; always answering '{shortened(comparison.majority)}' would"
    if metric == "accuracy":
        return f"{always} be right more often ({100 * other:.1f} % against {100 * own:.1f} %)"
    decimals = next((d for d in (2, 3) if round(other, d) != round(own, d)), 4)
    numbers = f"{other:.{decimals}f} against {own:.{decimals}f}"
    return f"{always} reach a higher {METRICS[metric].title} ({numbers})"


def _chosen(comparison: Comparison, decimals: int) -> Iterator[str]:
    """Say of how many settings these are the best, and what the interval is that allows for it."""
    low, high = comparison.allowing.low, comparison.allowing.high
    if comparison.tries == 1 or low is None or high is None:
        return
    metric = METRICS[comparison.kind.decisive].title
    yield (
        f"Its settings were chosen from {comparison.tries:,} by {metric} on the validation split. "
        "Had the test split chosen them, the interval of the difference would be "
        f"{format_number(low, decimals)} to {format_number(high, decimals)} (Bonferroni's "
        "correction)."
    )


def _rival(comparison: Comparison, name: str) -> tuple[str, str] | None:
    """Return the name of a trained baseline, and a sentence on it, where it does as well.

    None where the candidate is shown to be above it, or nothing can be said.
    """
    metric, pair = comparison.kind.decisive, (comparison.judged, name)
    found = next(d for d in comparison.differences if (d.first, d.second) == pair)
    difference = found.metrics[metric]
    own, other = (comparison.rated[each][metric].value for each in pair)
    low, high, p = difference.low, difference.high, found.p
    if own is None or other is None or low is None or high is None or p is None:
        return None
    outcome = _outcome(low, high, p, comparison.confidence)
    if outcome == "raised":
        return None
    decimals = _decimals(other, own, low, high, claimed=outcome == "lowered")
    shown = _shown_difference(other, own, decimals)
    standing = "below" if outcome == "lowered" else "not shown to be above"
    return name, (
        f"The {METRICS[metric].title} of {comparison.candidate} is {standing} that of the baseline "
        f"{name} ({comparison.methods[name]}): {format_number(own, decimals)} against "
        f"{format_number(other, decimals)} "
        f"({_evidence(shown, low, high, p, comparison.confidence, decimals)})."
    )


def _above_majority(comparison: Comparison) -> bool:
    """Say whether the candidate is shown to do better than one answer to all, where that is known.

    Else a model that learned no more than the commonest answer would be praised for it, where the
    baseline was worse than that.
    """
    kind = comparison.kind
    if kind.against_majority == kind.decisive:
        low = comparison.over_majority.low
        return low is None or low > 0
    low = comparison.rated[comparison.judged][kind.decisive].low
    level = comparison.baselines["majority"][kind.decisive]
    return low is None or level is None or low > level


def _evidence(
    shown: float, low: float, high: float, p: float, confidence: float, decimals: int
) -> str:
    """Return a difference as it is shown, with its interval and p."""
    ends = f"{format_number(low, decimals)} to {format_number(high, decimals)}"
    return (
        f"{format_difference(shown, decimals)}, {format_percent(confidence)} CI {ends}, "
        f"p {_equals(p)}"
    )


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
