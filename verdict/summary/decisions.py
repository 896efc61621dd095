"""Decisions by probabilities as tables with their notes, which Markdown and the page share."""

from dataclasses import dataclass

from verdict.comparison.decision_results import Decisions, Gap
from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate
from verdict.comparison.verdict import MIN_GROUPS
from verdict.statistics.formats import (
    format_difference,
    format_number,
    format_percent,
    format_probability,
)
from verdict.statistics.metrics import METRICS
from verdict.statistics.probabilities import CALIBRATION_BINS
from verdict.statistics.recalibration import STATED
from verdict.summary.wording import UNDEFINED, shown

#: A cell: its number or words, and its interval or what else stands below.
Cell = tuple[str, str]

#: The probabilities of a table of net benefit; the curves have one at each percent.
LISTED = (0.05, 0.1, 0.2, 0.3, 0.5)

#: What probabilities are called, by the map that made them.
TITLES = {
    STATED: "as stated",
    "temperature": "temperature",
    "platt": "Platt",
    "isotonic": "isotonic",
}

_CALLED = {"likeliest": "likeliest", "threshold": "at the threshold"}


@dataclass(frozen=True)
class DecisionPart:
    """One thing that was found, with what a reader has to know of it."""

    #: Of the charts that belong to it.
    key: str
    title: str
    note: str
    #: The first so many columns hold words.
    words: int
    header: list[str]
    rows: list[list[Cell]]


def decision_parts(comparison: Comparison) -> list[DecisionPart]:
    """Return what there is of decisions; nothing of free text."""
    found = comparison.decisions
    if found is None:
        return []
    parts = [_recalibration(comparison, found), _benefit(comparison, found)]
    parts += [_costs(comparison, found), _abstention(comparison, found), _gaps(comparison, found)]
    return [part for part in parts if part is not None]


def decisions_note(comparison: Comparison) -> str:
    """Return what holds for all parts, and what is missing and why."""
    found = comparison.decisions
    if found is None:
        return ""
    if found.obstacle:
        said = f"Nothing is fitted or chosen on the validation split: {found.obstacle}. "
    else:
        said = (
            "Maps and thresholds were fitted and chosen on the validation split "
            f"({found.validation_records:,} records of {found.validation_groups:,} "
            f"{comparison.noun}) and applied to the test split. The intervals hold them fixed: "
            "that other validation records would have given others is not in them. "
        )
    if found.curves is None:
        said += (
            "Net benefit, the cost of errors, and gaps in sensitivity and specificity are defined "
            "for two labels alone; of more, temperature scaling is the one map. "
        )
    return f"{said}Beside a number stands its {format_percent(comparison.confidence)} interval."


def _recalibration(comparison: Comparison, found: Decisions) -> DecisionPart | None:
    if not found.recalibration:
        return None
    positive = comparison.positive
    bias = (
        f"the share of {shown(positive)} less its mean probability"
        if positive
        else "the share of right answers less the mean probability of the likeliest label"
    )
    maps, turned = "A temperature (scikit-learn’s)", ""
    if positive:
        maps = "Each map (scikit-learn’s temperature, Platt’s logistic curve, isotonic regression)"
        turned = " A slope below 0 turns a ranking round."
    rows = []
    for model, own in found.recalibration.items():
        for method, one in own.methods.items():
            chosen = "chosen" if method == own.chosen else ""
            parameters = ", ".join(f"{k} {format_number(v, 2)}" for k, v in one.parameters.items())
            rows.append(
                [
                    (model if method == STATED else "", ""),
                    (TITLES[method], chosen),
                    (parameters, ""),
                    (format_number(one.validation_brier, 3), ""),
                    _number(one.brier),
                    _signed(one.change),
                    _signed(one.bias),
                    (format_number(one.expected_calibration_error, 3), ""),
                ]
            )
    return DecisionPart(
        "recalibration",
        "Recalibration",
        f"{maps} turns log-odds into other probabilities and is fitted on the validation split. "
        "Validation chose the one with the lowest Brier score of records under a map fitted on "
        f"other {comparison.noun}, or to change nothing. *Change* is of the Brier score on the "
        f"test split, below 0 is better; *bias* is {bias}. The *calibration error*, over "
        f"{CALIBRATION_BINS} bins, has no interval: near 0 all resamples lie above the truth."
        f"{turned}",
        3,
        ["model", "probabilities", "map", "Brier on validation", "Brier", "change", "bias",
         "calibration error"],
        rows,
    )  # fmt: skip


def _benefit(comparison: Comparison, found: Decisions) -> DecisionPart | None:
    curves = found.curves
    if curves is None:
        return None
    positive = shown(comparison.positive or "")
    places = [curves.probabilities.index(p) for p in LISTED]
    every = [(format_number(curves.treat_all[i], 3), "") for i in places]
    rows = [
        [(f"call all {positive}", ""), ("", ""), *every],
        [("call none", ""), ("", ""), *[(format_number(0, 3), "")] * len(places)],
    ]
    for model, band in curves.stated.items():
        for what, own in (("as stated", band), ("recalibrated", curves.recalibrated.get(model))):
            if own is None:
                continue
            if what == "recalibrated" and not found.recalibration[model].changed:
                continue
            cells = [_number(Estimate(own.values[i], own.low[i], own.high[i])) for i in places]
            rows.append([(model if what == "as stated" else "", ""), (what, ""), *cells])
    return DecisionPart(
        "benefit",
        "Net benefit",
        f"Who acts from a probability p of {positive} on takes a false alarm for p / (1 − p) of a "
        "found one. Net benefit is found ones less false alarms at that price, per record (Vickers "
        "and Elkin 2006). A model helps where it is above both calling all and calling none, which "
        "is 0; it is read at the p that somebody would act from, not at the best one.",
        2,
        ["", "probabilities", *(f"from {p:g}" for p in LISTED)],
        rows,
    )


def _costs(comparison: Comparison, found: Decisions) -> DecisionPart | None:
    if not found.thresholds or found.cost is None:
        return None
    positive = shown(comparison.positive or "")
    rows = []
    for model, own in found.thresholds.items():
        at = "never" if own.probability is None else f"from {format_probability(own.probability)}"
        numbers = [own.metrics[name] for name in ("recall", "specificity", "cost")]
        below = [own.metrics[name] for name in ("below_all", "below_none")]
        needed = [_number(x, 1) for x in (own.needed_to_evaluate, own.needed_to_screen)]
        cells = [*map(_number, numbers), *map(_signed, below), *needed]
        rows.append([(model, ""), (at, ""), (format_number(own.validation_cost, 3), ""), *cells])
    return DecisionPart(
        "costs",
        "Cost of errors",
        f"A missed {positive} is taken to cost {found.cost:g} times a false alarm (compare.cost, "
        "an assumption). Each model’s threshold is the one of the lowest mean cost on the "
        "validation split (Elkan 2001). *Cost* is that of a test record; *saved* is how much less "
        "it is than that of calling all or none positive. For one that is found, so many records "
        f"are called {positive} (number needed to *evaluate*; in dermatology, to biopsy), and so "
        f"many were looked at (to *screen*): both hold only where {positive} is as common as here.",
        2,
        ["model", f"called {positive}", "cost on validation", "sensitivity", "specificity", "cost",
         "saved, calling all", "saved, calling none", "evaluate", "screen"],
        rows,
    )  # fmt: skip


def _abstention(comparison: Comparison, found: Decisions) -> DecisionPart | None:
    rows = [
        [
            (model, ""),
            (f"from {format_probability(own.probability)}", ""),
            (_percent(own.validation_coverage), ""),
            (_percent(own.validation_risk), ""),
            _percents(own.coverage),
            _percents(own.risk),
            _signed(own.spared),
        ]
        for model, own in found.abstention.items()
    ]
    asked = ""
    if found.coverage is not None and rows:
        asked = (
            f" The certainty from which {format_percent(found.coverage)} of the validation records "
            "are answered (compare.coverage) is applied to the test split. *Spared* is by how much "
            "the share of wrong answers is lower than if all records were answered."
        )
    return DecisionPart(
        "abstention",
        "Abstention",
        "A model may leave the records that it is least certain of to a person: the curve has the "
        f"share of wrong answers among those that it answers.{asked}",
        2,
        ["model", "answered", "on validation", "of these wrong", "on test", "of these wrong",
         "spared"] if rows else [],
        rows,
    )  # fmt: skip


def _gaps(comparison: Comparison, found: Decisions) -> DecisionPart | None:
    """Return a line for each attribute, metric and way to call, a column for each model."""
    by_line: dict[tuple[str, str, str], dict[str, Gap]] = {}
    for gap in found.gaps:
        by_line.setdefault((gap.attribute, gap.metric, gap.by), {})[gap.model] = gap
    if not by_line:
        return None
    models = list(dict.fromkeys(gap.model for gap in found.gaps))
    left_out = {gap.attribute: dict[str, None]() for gap in found.gaps}
    for gap in found.gaps:
        left_out[gap.attribute] |= dict.fromkeys(gap.left_out)
    missing = "; ".join(f"{shown(a)}: {', '.join(v)}" for a, v in left_out.items() if v)
    return DecisionPart(
        "gaps",
        "Gaps between subgroups",
        "The largest difference between two values of an attribute, and between which. Its "
        "interval is simultaneous over all pairs (by the largest studentised difference in "
        "resamples), so it allows for having been looked for; not for the number of lines. "
        "Compared are values "
        f"in which {MIN_GROUPS} or more {comparison.noun} have the label."
        + (f" Left out in a line or all: {missing}." if missing else ""),
        3,
        ["attribute", "gap in", "answered by", *models],
        [
            [
                (shown(attribute), ""),
                (METRICS[metric].title, ""),
                (_CALLED[by], ""),
                *(_gap_cell(own.get(model)) for model in models),
            ]
            for (attribute, metric, by), own in by_line.items()
        ],
    )


def _gap_cell(gap: Gap | None) -> Cell:
    if gap is None:
        return UNDEFINED, ""
    text, ends = _signed(gap.difference)
    between = f"; {gap.highest} − {gap.lowest}" if gap.difference.value else ""
    return text, ends + between


def _number(estimate: Estimate, decimals: int = 3) -> Cell:
    if estimate.value is None:
        return UNDEFINED, ""
    return format_number(estimate.value, decimals), _ends(estimate, decimals)


def _signed(estimate: Estimate) -> Cell:
    if estimate.value is None:
        return UNDEFINED, ""
    return format_difference(estimate.value, 3), _ends(estimate, 3)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _percents(estimate: Estimate) -> Cell:
    if estimate.value is None:
        return UNDEFINED, ""
    if estimate.low is None or estimate.high is None:
        return _percent(estimate.value), ""
    return _percent(estimate.value), f"{100 * estimate.low:.1f} to {_percent(estimate.high)}"


def _ends(estimate: Estimate, decimals: int) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{format_number(estimate.low, decimals)} to {format_number(estimate.high, decimals)}"
