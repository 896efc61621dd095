"""A metric: what the registry says of each, in ``verdict.statistics.metrics``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

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
