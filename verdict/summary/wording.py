"""What things are called, how numbers are written, and the sentences that all reports share."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from verdict.comparison.model import Comparison
from verdict.comparison.outside import said_of_change
from verdict.comparison.results import EXAMPLES, Estimate
from verdict.statistics.formats import format_difference, format_number, format_p
from verdict.statistics.metrics import METRICS

#: The files of a report, in its folder.
REPORT, NUMBERS = "comparison.md", "comparison.json"
COMPARISON, CONFUSION = "comparison.png", "confusion.png"

SYNTHETIC = (
    "The data are synthetic: made up by a program in the layout of the published data set. "
    "The numbers show that the pipeline works and say nothing about patients."
)
DISCLAIMER = "Not a medical device, not for diagnosis."

#: Of proportions that no resample moves (``verdict.comparison.intervals``).
AT_EDGES = (
    "Where no resample moves a proportion, the interval is Clopper and Pearson's, with the "
    "effective sample size of clustered records (Korn and Graubard 1998); another number, such as "
    "F1, has none there."
)

#: Stands where a number is undefined: one label only, or 0/0.
UNDEFINED = "–"

#: Said of a model that was trained so; of turns nothing is said.
PLAIN_FORM = "in the plain form: without turns, the answer follows the question"

#: The p values of tests that take records as independent.
SECONDARY = {"mcnemar_p": "p (McNemar)", "delong_p": "p of AUROC (DeLong)"}


def metric_title(metric: str, noun: str) -> str:
    """Return what people call a metric; ``noun`` is what the groups are called, in the plural."""
    return METRICS[metric].title.format(groups=noun)


def capital_title(metric: str, noun: str) -> str:
    """Return what people call a metric, beginning with a capital."""
    plain = metric_title(metric, noun)
    return plain[0].upper() + plain[1:]


def meaning_of(metric: str, units: str, positive: str | None) -> str:
    """Return one line on what a metric tells.

    ``units`` are what a group's accuracy is averaged over, in the plural.
    """
    return METRICS[metric].meaning.format(units=units, positive=shown(positive or "positive"))


def units_title(noun: str, *, linked: bool) -> str:
    """Return what accuracy over groups is a mean over; ``linked``: some records link two groups."""
    return f"{noun} and linked pairs of {noun}" if linked else noun


def whole_groups(noun: str, *, linked: bool) -> str:
    """Return what the bootstrap draws, and what becomes of records that link two of them."""
    pairs = f"; a record of two {noun} counts as often as the one was drawn, times the other"
    return f"whole {noun}{pairs if linked else ''}"


def shown(label: str) -> str:
    """Return a label as people write it."""
    return label.replace("_", " ")


def heading(comparison: Comparison, name: str) -> str:
    """Return what a model is called, or a trained baseline, which is none."""
    return f"{name} (baseline)" if name in comparison.trained else name


def trained_note(comparison: Comparison) -> str:
    """Say what the trained baselines are, where there are any."""
    if not comparison.trained:
        return ""
    fitted = [name for name, kind in comparison.trained.items() if kind != EXAMPLES]
    told, several = "; ".join(f"{name}, {comparison.methods[name]}" for name in fitted), fitted[1:]
    said = (
        f"{'Baselines' if several else 'A baseline'} without fine-tuning, trained on the same "
        f"records, {'their' if several else 'its'} strength chosen on the validation split: {told}."
    )
    shown = " and ".join(name for name in comparison.trained if name not in fitted)
    prompted = (
        f"{shown}: few-shot prompting without fine-tuning; a model as it comes is shown the same "
        "answered records of the training split before every question, where the other models "
        "are asked zero-shot, without examples."
    )
    return " ".join([*([said] if fitted else []), *([prompted] if shown else [])])


def said_of_sets(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the name of each test set from elsewhere, and what the verdict is there."""
    return [
        (shown(name), f"{found.comparison.verdict.sentence} {said_of_change(comparison, name)}")
        for name, found in comparison.outside.items()
    ]


def number(metric: str, value: float | None) -> str:
    """Return a metric's value: 0.933, or 1.2 % for a rate."""
    if value is None:
        return UNDEFINED
    return f"{100 * value:.1f} %" if METRICS[metric].percent else format_number(value, 3)


def interval(metric: str, low: float | None, high: float | None) -> str:
    """Return an interval, or nothing where there is none."""
    if low is None or high is None:
        return ""
    if METRICS[metric].percent:
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{format_number(low, 3)} to {format_number(high, 3)}"


def with_interval(estimate: Estimate) -> str:
    """Return a number and behind it its interval, if there is one: 0.933 (0.880 to 0.955)."""
    low, high = estimate.low, estimate.high
    if estimate.value is None:
        return UNDEFINED
    value = format_number(estimate.value, 3)
    if low is None or high is None:
        return value
    return f"{value} ({format_number(low, 3)} to {format_number(high, 3)})"


def signed(value: float | None) -> str:
    """Return a difference with its sign."""
    return UNDEFINED if value is None else format_difference(value, 3)


def signed_interval(low: float | None, high: float | None) -> str:
    """Return the interval of a difference, or nothing where there is none."""
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def p_text(p: float | None) -> str:
    """Return a p value for a cell of a table."""
    return UNDEFINED if p is None else format_p(p)


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], texts: Container[int] = (0,)
) -> str:
    """Return a Markdown table: columns of ``texts`` to the left, numbers to the right."""
    alignment = [":--" if i in texts else "--:" for i in range(len(header))]
    lines = [header, alignment, *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")


def describe_weights(base: Mapping[str, Any]) -> str:
    """Say of weights that came in another format what it has left of them; else nothing."""
    if not (weights := base.get("weights")):
        return ""
    return (
        f"from a {weights['format']} file, {weights['quantization']}: {weights['bits_a_weight']:g} "
        "bits a weight on average, unpacked to bfloat16"
    )
