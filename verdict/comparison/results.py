"""The parts of what a comparison found, and the keys that each has in the file of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: The name of the model that the verdict is about.
CANDIDATE = "tuned"

#: Baselines that need no model, in the order of a table.
BASELINES = ("majority", "prior")

#: The kind of a model as it comes that is shown examples of the training split (few-shot); it
#: stands among the trained baselines.
EXAMPLES = "examples"

#: What the trained baselines are, by their kind.
METHODS = {
    EXAMPLES: "few-shot prompting of an untuned model",
    "features": "boosted trees on colours and shapes",
    "similarities": "logistic regression on string similarities",
    "fellegi_sunter": "Fellegi and Sunter's record linkage",
    "tfidf": "logistic regression on words",
    "probe": "logistic regression on what the frozen base sees",
}

#: Stands where a model's name would: the mean over the candidate's training seeds, and what all
#: models' thresholds share.
REPLICATED, THRESHOLD = "replicated", "threshold"

#: Precedes the keys of the comparison on merged labels.
MERGED = "merged"

#: Precedes the keys of the comparisons on test sets from elsewhere, each behind its name, and
#: between a model's name and a metric: what it is there minus what it is on the test split.
OUTSIDE, MINUS_TEST = "outside", "outside_minus_test"

#: Joins two models' names in the keys of their difference; a model's and a metric at its threshold.
MINUS, AT_THRESHOLD = "_minus_", "at_threshold"

#: Of tests that take records as independent, the p values.
SECONDARY = ("mcnemar_p", "delong_p")

#: What ``metrics/compare.json`` calls its other numbers; the models stand under their own names.
HEADLINES = (
    "mean", "sd", "gain", "gain_low", "gain_high", "p", "auroc", "sensitivity_at", "specificity_at",
)  # fmt: skip

#: What no model may be called.
RESERVED = (*BASELINES, MERGED, OUTSIDE, REPLICATED, THRESHOLD, *HEADLINES)

Entries = dict[str, Any]
#: Metrics by name.
Estimates = dict[str, "Estimate"]


Outcome = Literal["raised", "lowered", "unchanged", "none"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison in one sentence; in a figure's title, and in one word."""

    sentence: str
    #: Sentences on the trained baselines that do as well as the candidate.
    remarks: tuple[str, ...] = ()
    headline: str = field(default="", compare=False)
    outcome: Outcome = field(default="none", compare=False)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, rounded for a report; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    #: Resamples in which the number was undefined; the interval leaves them out.
    undefined: int = 0

    def flat(self, name: str) -> Entries:
        entries = {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}
        return entries | ({f"{name}_undefined": self.undefined} if self.undefined else {})


@dataclass(frozen=True)
class Difference:
    """One model minus another, on the same records."""

    first: str
    second: str
    metrics: Estimates
    #: Of the decisive metric, by the bootstrap over groups; and corrected for all comparisons of
    #: the family.
    p: float | None
    p_holm: float | None = None
    #: Of ``SECONDARY``, which stand beside p: ``mcnemar_p`` of the shares of right answers, and of
    #: two labels ``delong_p`` of AUROC. None where records are not independent.
    secondary: dict[str, float | None] = field(default_factory=dict)

    def flat(self, decisive: str) -> Entries:
        pair = f"{self.first}{MINUS}{self.second}"
        entries = flat_estimates(pair, self.metrics)
        entries |= {f"{pair}.{decisive}_p": self.p, f"{pair}.{decisive}_p_holm": self.p_holm}
        return entries | {f"{pair}.{name}": p for name, p in self.secondary.items()}


@dataclass(frozen=True)
class Replicated:
    """The mean over several trainings that differ in their seed alone."""

    metrics: Estimates
    #: The standard deviation of each metric between the trainings (n - 1); None where undefined.
    deviations: dict[str, float | None]

    def flat(self) -> Entries:
        entries: Entries = {}
        for name, value in self.metrics.items():
            entries |= value.flat(f"{REPLICATED}.{name}")
            entries[f"{REPLICATED}.{name}_sd"] = self.deviations[name]
        return entries


@dataclass(frozen=True)
class Subgroup:
    """The records that have one value of an attribute."""

    attribute: str
    value: str
    records: int
    groups: int
    #: How many of the records are positive; None unless there are two labels.
    positives: int | None
    #: By model.
    models: dict[str, Estimates]

    def flat(self) -> Entries:
        """Return the entries of a report: ``n``, ``tuned.accuracy``, ``tuned.accuracy_low``, …"""
        entries: Entries = {
            "attribute": self.attribute,
            "value": self.value,
            "n": self.records,
            "groups": self.groups,
        }
        if self.positives is not None:
            entries["positives"] = self.positives
        for model, metrics in self.models.items():
            entries |= flat_estimates(model, metrics)
        return entries


@dataclass(frozen=True)
class Threshold:
    """One model at the threshold that its validation predictions decide."""

    #: The probability of the positive label from which a record is called so.
    probability: float
    #: The sensitivity on validation: the one asked for, or the next that can be reached.
    reached: float
    #: Of the test split, there.
    metrics: Estimates


@dataclass(frozen=True)
class Thresholds:
    """The models at the thresholds that reach a sensitivity on the validation split."""

    #: What was asked for.
    sensitivity: float
    #: Of the validation split: its records, and how many of them are positive.
    records: int
    positives: int
    #: Empty where there is no positive record to reach a sensitivity on.
    models: dict[str, Threshold]

    @property
    def undefined(self) -> str | None:
        """Why there is no threshold, or None."""
        if self.positives:
            return None
        return f"none of the {self.records:,} validation records is positive"

    def flat(self) -> Entries:
        entries: Entries = {
            f"{THRESHOLD}.sensitivity": self.sensitivity,
            f"{THRESHOLD}.validation_records": self.records,
            f"{THRESHOLD}.validation_positives": self.positives,
        }
        if self.undefined:
            entries[f"{THRESHOLD}.undefined"] = self.undefined
        for model, chosen in self.models.items():
            entries[f"{model}.{THRESHOLD}"] = chosen.probability
            entries[f"{model}.validation_sensitivity"] = chosen.reached
            entries |= flat_estimates(f"{model}.{AT_THRESHOLD}", chosen.metrics)
        return entries


def flat_estimates(name: str, metrics: Mapping[str, Estimate]) -> Entries:
    """Return the entries of a model's metrics: ``tuned.accuracy``, …"""
    entries: Entries = {}
    for metric, value in metrics.items():
        entries |= value.flat(f"{name}.{metric}")
    return entries
