"""What things are called in tables and figures, and the sentences that all of them share."""

from verdict.statistics.formats import format_p

#: The files of a report, in its folder.
REPORT, NUMBERS = "comparison.md", "comparison.json"
COMPARISON, CONFUSION = "comparison.png", "confusion.png"

SYNTHETIC = (
    "The data are synthetic: made up by a program in the layout of the published data set. "
    "The numbers show that the pipeline works and say nothing about patients."
)
DISCLAIMER = "Not a medical device, not for diagnosis."

#: Stands where a number is undefined: one label only, or 0/0.
UNDEFINED = "–"

METRIC_TITLES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "auroc": "AUROC",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_auroc": "macro AUROC",
    "mcc": "MCC",
    "invalid_rate": "invalid",
}

#: The columns of a table of models, by whether there are two labels or more.
TABLE_METRICS = {
    True: (
        "balanced_accuracy",
        "accuracy",
        "recall",
        "specificity",
        "precision",
        "f1",
        "auroc",
        "invalid_rate",
    ),
    False: (
        "balanced_accuracy",
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "mcc",
        "macro_auroc",
        "invalid_rate",
    ),
}

#: The groups of bars in the figure.
FIGURE_METRICS = {
    True: ("balanced_accuracy", "recall", "specificity", "auroc"),
    False: ("balanced_accuracy", "accuracy", "macro_f1", "macro_auroc"),
}


def p_cell(p: float | None) -> str:
    """Return a p value for a cell of a table."""
    return UNDEFINED if p is None else format_p(p)
