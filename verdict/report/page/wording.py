"""What metrics are called on the page, what each of them means, and how numbers are written."""

from verdict.report.names import UNDEFINED, metric_title
from verdict.statistics.formats import format_difference, format_number, format_p

#: One line on each metric; ``{positive}`` is the positive label, ``{units}`` the groups' noun, and
#: the pairs of them where there are some.
_MEANINGS = {
    "balanced_accuracy": "mean share of each label that is found; guessing gives 1 / labels",
    "accuracy": "share of records answered rightly",
    "group_accuracy": "the same within each of the {units}, then averaged over them",
    "recall": "share of {positive} that is found",
    "specificity": "share of the others that is called so",
    "precision": "share of what is called {positive} that is",
    "f1": "harmonic mean of precision and sensitivity",
    "macro_f1": "F1 of each label, averaged",
    "weighted_f1": "F1 of each label, averaged by how common it is",
    "mcc": "Matthews correlation: 1 is perfect, 0 is chance",
    "top_2_accuracy": "share of records whose label is first or second",
    "auroc": "chance that a {positive} ranks above another record; 0.5 is chance",
    "macro_auroc": "each label against the others, averaged; 0.5 is chance",
    "average_precision": "area under precision and recall; chance is the share of {positive}",
    "macro_average_precision": "average precision of each label, averaged",
    "brier": "squared error of the probabilities, summed over labels if more than two; 0 is best",
    "expected_calibration_error": "distance of probabilities from observed shares; 0 is best",
    "invalid_rate": "what the model wrote names no label, or nothing; counted as wrong",
    "generated_accuracy": "rates what the model wrote, not its probabilities",
    "generated_balanced_accuracy": "rates what the model wrote, not its probabilities",
    "agreement": "share of records where both ways to ask give the same",
    "token_f1": "words shared with the reference, counted as SQuAD does",
    "exact_match": "same words, numbers and signs as the reference, whatever its case",
    "rouge_l": "F1 of the longest common subsequence of words",
    "bleu": "sacreBLEU over all records, from 0 to 1",
    "closed_accuracy": "right where the reference is yes or no",
}

#: Metrics that are small when all is well.
LOWER_IS_BETTER = frozenset({"brier", "expected_calibration_error", "invalid_rate"})

_PERCENTAGES = frozenset({"invalid_rate"})


def title_of(metric: str, noun: str) -> str:
    """Return what people call a metric, beginning with a capital."""
    plain = metric_title(metric, noun)
    return plain[0].upper() + plain[1:]


def meaning_of(metric: str, units: str, positive: str | None) -> str:
    """Return one line on what a metric tells; nothing where its name does.

    ``units`` are what a group's accuracy is averaged over, in the plural.
    """
    return _MEANINGS.get(metric, "").format(units=units, positive=shown(positive or "positive"))


def shown(label: str) -> str:
    """Return a label as people write it."""
    return label.replace("_", " ")


def number(metric: str, value: float | None) -> str:
    """Return a metric's value: 0.933, or 1.2 % for a rate."""
    if value is None:
        return UNDEFINED
    return f"{100 * value:.1f} %" if metric in _PERCENTAGES else format_number(value, 3)


def interval(metric: str, low: float | None, high: float | None) -> str:
    """Return an interval, or nothing where there is none."""
    if low is None or high is None:
        return ""
    if metric in _PERCENTAGES:
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{format_number(low, 3)} to {format_number(high, 3)}"


def signed(value: float | None) -> str:
    """Return a difference with its sign."""
    return UNDEFINED if value is None else format_difference(value, 3)


def signed_interval(low: float | None, high: float | None) -> str:
    """Return the interval of a difference, or nothing where there is none."""
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def p_text(p: float | None) -> str:
    """Return a p value for a cell."""
    return UNDEFINED if p is None else format_p(p)
