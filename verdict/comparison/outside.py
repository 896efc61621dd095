"""The models on test sets from elsewhere: what is compared there, and how far it is from here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from verdict.comparison.differences import paired_difference
from verdict.comparison.intervals import EQUAL_DECIMALS, Measured
from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate, Estimates
from verdict.comparison.verdict import MIN_GROUPS, units_of
from verdict.predictions import Predictions
from verdict.statistics.formats import (
    format_difference,
    format_number,
    format_percent,
    rounded,
)
from verdict.statistics.metrics import METRICS

if TYPE_CHECKING:
    from verdict.params import Compare


@dataclass(frozen=True)
class OutsideSet:
    """What is compared on a test set from elsewhere.

    Attributes:
        predictions: one a model and trained baseline, as of the test split.
        noun: what its groups are called, in the plural.
        subgroups: attributes of its records to look at apart.
        synthetic: whether it is made up.
        warnings: what a reader has to know of it.
    """

    predictions: Sequence[Predictions]
    noun: str
    subgroups: Sequence[str]
    synthetic: bool = False
    warnings: Sequence[str] = ()

    def options(self, options: "Compare") -> "Compare":
        """Return how the models are compared on it; else as on the test split."""
        changed = {"groups_are": self.noun, "subgroups": list(self.subgroups)}
        return options.model_copy(update=changed)


def seed_of(name: str, seed: int) -> int:
    """Return the seed of a set's resamples, which have to be independent of the test split's.

    The name decides, so that another set beside it changes none of its numbers.
    """
    return (seed + crc32(name.encode())) % 2**32


def changes_of(
    there: Mapping[str, Measured],
    here: Mapping[str, Measured],
    metrics: Sequence[str],
    confidence: float,
    *,
    enough: bool,
) -> dict[str, Estimates]:
    """Return by model its metrics on the set minus those on the test split.

    The two are samples of different groups: each is resampled by itself, and what the resamples
    differ by is the bootstrap of a difference of two independent samples (Efron & Tibshirani 1993,
    "An Introduction to the Bootstrap", section 8.3). Where no resample moves one of the two, its
    own interval has to say how far it may be off: then both intervals are put together by MOVER
    (Zou & Donner 2008, Stat. Med. 27:1693).

    Args:
        enough: whether both have groups enough for an interval.
    """

    def change(name: str, metric: str) -> Estimate:
        samples = there[name], here[name]
        found = paired_difference(*samples, metric, confidence)
        if not enough:
            return Estimate(found.value)
        if all(_moves(sample.resampled[metric]) for sample in samples):
            return found
        return _mover(*(sample.estimates([metric], confidence)[metric] for sample in samples))

    return {name: {metric: change(name, metric) for metric in metrics} for name in there}


def _moves(resampled: np.ndarray) -> bool:
    defined = resampled[~np.isnan(resampled)]
    return len(defined) > 0 and bool(round(float(np.ptp(defined)), EQUAL_DECIMALS))


def _mover(first: Estimate, second: Estimate) -> Estimate:
    """Return the difference of two independent numbers; without an interval where one has none."""
    a, b = first.value, second.value
    if a is None or b is None:
        return Estimate(None)
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(rounded(a - b))
    low = math.hypot(a - first.low, second.high - b)
    high = math.hypot(first.high - a, b - second.low)
    return Estimate(rounded(a - b), rounded(a - b - low), rounded(a - b + high))


def enough_groups(*samples: Predictions) -> bool:
    """Say whether all of them have the groups that an interval needs."""
    return all(units_of(sample) >= MIN_GROUPS for sample in samples)


def own_cautions(set_: Predictions, test: Predictions) -> Iterator[str]:
    """Yield what makes a set's numbers less comparable with those of the test split."""
    codes = [set(p.actual.tolist()) for p in (test, set_)]
    if missing := [label for code, label in enumerate(test.labels) if code in codes[0] - codes[1]]:
        yield (
            f"It has no record with {', '.join(missing)}, so that a mean over labels is over fewer "
            "of them than on the test split"
        )
    if shared := len(set(set_.group_names) & set(test.group_names)):
        yield (
            f"{shared:,} of its {len(set_.group_names):,} groups are in the test split, too: the "
            "two samples are not independent, and the interval of their difference is rather too "
            "wide"
        )


def said_of_change(comparison: Comparison, name: str) -> str:
    """Return one sentence on how far the candidate is from its test split on a set."""
    outside, metric = comparison.outside[name], comparison.kind.decisive
    there, here = (one.rated[one.judged][metric].value for one in (outside.comparison, comparison))
    change = outside.changes[comparison.judged][metric]
    title, candidate = METRICS[metric].title, comparison.candidate
    name = name.replace("_", " ")
    if there is None or here is None:
        return f"The {title} of {candidate} is undefined on {name} or on the test split."
    numbers = f"{format_number(there, 2)} against {format_number(here, 2)}"
    if change.low is None or change.high is None:
        few = f"too few {outside.comparison.noun} for an interval"
        return f"The {title} of {candidate} on {name} and on the test split: {numbers} ({few})."
    where = "not shown to differ from"
    if change.high < 0 or change.low > 0:
        where = "below" if change.high < 0 else "above"
    shown = format_difference(round(there, 2) - round(here, 2), 2)
    ends = f"{format_number(change.low, 2)} to {format_number(change.high, 2)}"
    return (
        f"The {title} of {candidate} on {name} is {where} that on the test split: {numbers} "
        f"({shown}, {format_percent(comparison.confidence)} CI {ends})."
    )
