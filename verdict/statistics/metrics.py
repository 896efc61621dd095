"""The registry of metrics: what each is called and means, where it is shown, how it is computed.

Everything that lists metrics reads ``METRICS``: the files of numbers, the tables, the figures, the
page, the model card and the terminal. A new metric is one entry here, and its test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from verdict.statistics.counts import (
    accuracy,
    balanced_accuracy,
    f1,
    macro_f1,
    matthews_correlation,
    precision,
    recall,
    weighted_f1,
)

KindName = Literal["binary", "multiclass", "text"]

#: Where a metric is shown beside the lists of all: the table of models, the figure, the terminal;
#: and where it is measured: paired differences, subgroups, at a threshold.
View = Literal["table", "figure", "terminal", "differences", "subgroups", "threshold"]

#: What a metric rates: the likeliest label, the labels' probabilities, what a model wrote, or that
#: against a reference text.
Rated = Literal["labels", "probabilities", "words", "texts"]


@dataclass(frozen=True)
class Metric:
    """A number that says how good a model's answers are."""

    name: str
    #: What people call it, and what it tells, in one line; ``{groups}`` is what groups are called,
    #: ``{units}`` the same with the pairs of them, ``{positive}`` the positive label.
    title: str
    meaning: str
    rates: Rated
    #: For each kind of task that has it, the views that show it.
    shown: Mapping[KindName, str]
    #: Its values (draws) from what drawn records add up to: ``LabelDraws`` or ``TextDraws``.
    of: Callable[[Any], np.ndarray]
    #: What it is a proportion of (``Proportions.of``); None where it is none.
    proportion_of: str | None = None
    #: Whether it is about the positive one of two labels.
    of_positive: bool = False
    #: Whether it is about what models thought; tasks where none did are without it.
    of_thoughts: bool = False
    less_is_better: bool = False
    percent: bool = False


_EVERYWHERE = "table figure terminal differences subgroups"
_OF_LABELS: dict[KindName, str] = {"binary": "", "multiclass": ""}

_ENTRIES = (
    Metric(
        "accuracy",
        "accuracy",
        "share of records answered rightly",
        "labels",
        {"binary": "table terminal differences subgroups threshold", "multiclass": _EVERYWHERE},
        lambda drawn: accuracy(drawn.labels),
        proportion_of="records",
    ),
    Metric(
        "group_accuracy",
        "accuracy over {groups}",
        "the same within each of the {units}, then averaged over them",
        "labels",
        {"binary": "table differences subgroups", "multiclass": _EVERYWHERE},
        attrgetter("group_accuracy"),
        proportion_of="groups",
    ),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        "mean share of each label that is found; guessing gives 1 / labels",
        "labels",
        {"binary": f"{_EVERYWHERE} threshold", "multiclass": _EVERYWHERE},
        lambda drawn: balanced_accuracy(drawn.labels, drawn.present),
        proportion_of="each label",
    ),
    Metric(
        "precision",
        "precision",
        "share of what is called {positive} that is",
        "labels",
        {"binary": "table threshold"},
        lambda drawn: precision(drawn.labels, drawn.positive),
        proportion_of="called positive",
        of_positive=True,
    ),
    Metric(
        "recall",
        "sensitivity",
        "share of {positive} that is found",
        "labels",
        {"binary": "table figure terminal differences threshold"},
        lambda drawn: recall(drawn.labels, drawn.positive),
        proportion_of="positive",
        of_positive=True,
    ),
    Metric(
        "specificity",
        "specificity",
        "share of the others that is called so",
        "labels",
        {"binary": "table figure terminal differences threshold"},
        lambda drawn: recall(drawn.labels, 1 - drawn.positive),
        proportion_of="negative",
        of_positive=True,
    ),
    Metric(
        "f1",
        "F1",
        "harmonic mean of precision and sensitivity",
        "labels",
        {"binary": "table threshold"},
        lambda drawn: f1(drawn.labels)[..., drawn.positive],
        of_positive=True,
    ),
    Metric(
        "top_2_accuracy",
        "top-2 accuracy",
        "share of records whose label is first or second",
        "labels",
        {"multiclass": ""},
        lambda drawn: drawn.mean("among_top_2"),
        proportion_of="records",
    ),
    Metric(
        "macro_f1",
        "macro F1",
        "F1 of each label, averaged",
        "labels",
        {"binary": "", "multiclass": "table figure terminal differences"},
        lambda drawn: macro_f1(drawn.labels, drawn.present),
    ),
    Metric(
        "weighted_f1",
        "weighted F1",
        "F1 of each label, averaged by how common it is",
        "labels",
        {"binary": "", "multiclass": "table"},
        lambda drawn: weighted_f1(drawn.labels),
    ),
    Metric(
        "mcc",
        "MCC",
        "Matthews correlation: 1 is perfect, 0 is chance",
        "labels",
        {"binary": "", "multiclass": "table"},
        lambda drawn: matthews_correlation(drawn.labels),
    ),
    Metric(
        "auroc",
        "AUROC",
        "chance that a {positive} ranks above another record; 0.5 is chance",
        "probabilities",
        {"binary": "table figure terminal"},
        lambda drawn: drawn.ranked["auroc"],
        proportion_of="pairs",
        of_positive=True,
    ),
    Metric(
        "macro_auroc",
        "macro AUROC",
        "each label against the others, averaged; 0.5 is chance",
        "probabilities",
        {"multiclass": "table figure terminal"},
        lambda drawn: drawn.ranked["auroc"],
        proportion_of="pairs",
    ),
    Metric(
        "average_precision",
        "average precision",
        "area under precision and recall; chance is the share of {positive}",
        "probabilities",
        {"binary": ""},
        lambda drawn: drawn.ranked["average_precision"],
        of_positive=True,
    ),
    Metric(
        "macro_average_precision",
        "macro average precision",
        "average precision of each label, averaged",
        "probabilities",
        {"multiclass": ""},
        lambda drawn: drawn.ranked["average_precision"],
    ),
    Metric(
        "brier",
        "Brier score",
        "squared error of the probabilities, summed over labels if more than two; 0 is best",
        "probabilities",
        _OF_LABELS,
        lambda drawn: drawn.calibration["brier"],
        less_is_better=True,
    ),
    Metric(
        "expected_calibration_error",
        "expected calibration error",
        "distance of probabilities from observed shares; 0 is best",
        "probabilities",
        _OF_LABELS,
        lambda drawn: drawn.calibration["expected_calibration_error"],
        less_is_better=True,
    ),
    Metric(
        "token_f1",
        "token F1",
        "words shared with the reference, counted as SQuAD does",
        "texts",
        {"text": _EVERYWHERE},
        lambda drawn: drawn.mean("token_f1"),
        proportion_of="records",
    ),
    Metric(
        "exact_match",
        "exact match",
        "same words, numbers and signs as the reference, whatever its case",
        "texts",
        {"text": _EVERYWHERE},
        lambda drawn: drawn.mean("exact_match"),
        proportion_of="records",
    ),
    Metric(
        "rouge_l",
        "ROUGE-L",
        "F1 of the longest common subsequence of words",
        "texts",
        {"text": "table figure terminal differences"},
        lambda drawn: drawn.mean("rouge_l"),
        proportion_of="records",
    ),
    Metric(
        "bleu",
        "BLEU",
        "sacreBLEU over all records, from 0 to 1",
        "texts",
        {"text": "table figure terminal differences"},
        attrgetter("bleu"),
    ),
    Metric(
        "closed_accuracy",
        "closed questions",
        "right where the reference is yes or no",
        "texts",
        {"text": "table figure terminal differences"},
        attrgetter("closed_accuracy"),
        proportion_of="closed",
    ),
    Metric(
        "invalid_rate",
        "invalid",
        "what the model wrote names no label, or nothing; counted as wrong",
        "words",
        {"binary": "table terminal", "multiclass": "table terminal", "text": "table terminal"},
        lambda drawn: drawn.mean("invalid"),
        proportion_of="records",
        less_is_better=True,
        percent=True,
    ),
    Metric(
        "unfinished_rate",
        "unfinished thoughts",
        "share of records about which the model did not finish its thought; invalid, too",
        "words",
        {"binary": "table", "multiclass": "table", "text": "table"},
        lambda drawn: drawn.mean("unfinished"),
        proportion_of="records",
        of_thoughts=True,
        less_is_better=True,
        percent=True,
    ),
    Metric(
        "generated_accuracy",
        "accuracy of generated answers",
        "rates what the model wrote, not its probabilities",
        "words",
        _OF_LABELS,
        lambda drawn: accuracy(drawn.words),
        proportion_of="records",
    ),
    Metric(
        "generated_balanced_accuracy",
        "balanced accuracy of generated answers",
        "rates what the model wrote, not its probabilities",
        "words",
        _OF_LABELS,
        lambda drawn: balanced_accuracy(drawn.words, drawn.present),
        proportion_of="each label",
    ),
    Metric(
        "agreement",
        "agreement of both answers",
        "share of records where both ways to ask give the same",
        "words",
        _OF_LABELS,
        lambda drawn: drawn.mean("agreeing"),
        proportion_of="records",
    ),
)

#: All metrics by name, in the order of a metrics file.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}
