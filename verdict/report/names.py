"""What things are called in tables and figures, and the sentences that all of them share."""

from verdict.statistics.formats import format_p
from verdict.statistics.kinds import METRIC_TITLES, TEXT

#: The files of a report, in its folder.
REPORT, NUMBERS = "comparison.md", "comparison.json"
COMPARISON, CONFUSION = "comparison.png", "confusion.png"
PAGE = "index.html"

SYNTHETIC = (
    "The data are synthetic: made up by a program in the layout of the published data set. "
    "The numbers show that the pipeline works and say nothing about patients."
)
DISCLAIMER = "Not a medical device, not for diagnosis."

#: Of proportions that no resample moves (``verdict.statistics.edges``).
AT_EDGES = (
    "Where no resample moves a proportion, the interval is Clopper and Pearson's, with the "
    "effective sample size of clustered records (Korn and Graubard 1998)."
)

#: Stands where a number is undefined: one label only, or 0/0.
UNDEFINED = "–"

#: The columns of a table of models, by kind of task.
TABLE_METRICS = {
    "binary": (
        "balanced_accuracy",
        "accuracy",
        "group_accuracy",
        "recall",
        "specificity",
        "precision",
        "f1",
        "auroc",
        "invalid_rate",
    ),
    "multiclass": (
        "balanced_accuracy",
        "accuracy",
        "group_accuracy",
        "macro_f1",
        "weighted_f1",
        "mcc",
        "macro_auroc",
        "invalid_rate",
    ),
    "text": TEXT.metrics,
}

#: The groups of bars in the figure.
FIGURE_METRICS = {
    "binary": ("balanced_accuracy", "recall", "specificity", "auroc"),
    "multiclass": ("balanced_accuracy", "accuracy", "group_accuracy", "macro_f1", "macro_auroc"),
    "text": ("token_f1", "exact_match", "rouge_l", "bleu", "closed_accuracy"),
}


def metric_title(metric: str, noun: str) -> str:
    """Return what people call a metric; ``noun`` is what the groups are called, in the plural."""
    return METRIC_TITLES[metric].format(groups=noun)


def units_title(noun: str, *, linked: bool) -> str:
    """Return what accuracy over groups is a mean over; ``linked``: some records link two groups."""
    return f"{noun} and linked pairs of {noun}" if linked else noun


def whole_groups(noun: str, *, linked: bool) -> str:
    """Return what the bootstrap draws, and what becomes of records that link two of them."""
    pairs = f"; a record of two {noun} counts as often as the one was drawn, times the other"
    return f"whole {noun}{pairs if linked else ''}"


def p_cell(p: float | None) -> str:
    """Return a p value for a cell of a table."""
    return UNDEFINED if p is None else format_p(p)
