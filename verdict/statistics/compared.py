"""What a comparison found: the verdict, and every number behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from verdict.statistics.confusion import Confusion
from verdict.statistics.differences import Difference
from verdict.statistics.estimates import Estimate
from verdict.statistics.formats import AT_THRESHOLD, MERGED, MINUS, REPLICATED
from verdict.statistics.kinds import Kind
from verdict.statistics.replicates import Trainings
from verdict.statistics.subgroups import Subgroup
from verdict.statistics.threshold import Thresholds
from verdict.statistics.verdict import Verdict

Entries = dict[str, float | int | str | list[str] | None]


@dataclass(frozen=True)
class Comparison:
    """Several models on the same records."""

    verdict: Verdict
    kind: Kind
    candidate: str
    baseline: str
    #: The candidate trained with other seeds; and the mean over all its trainings, if there are.
    replicates: tuple[str, ...]
    replicated: Trainings | None
    #: None at all where the task is free text.
    labels: tuple[str, ...]
    positive: str | None
    #: The commonest answer.
    majority: str
    records: int
    groups: int
    noun: str
    #: Whether any record links two groups; and whether no two records share one.
    linked: bool
    independent: bool
    #: Whether the data are made up.
    synthetic: bool
    resamples: int
    confidence: float
    #: What a reader has to know before trusting the numbers.
    warnings: tuple[str, ...]
    #: For each model and metric, its value and interval.
    models: dict[str, dict[str, Estimate]]
    #: What each model answered; of free text, to closed questions alone.
    confusion: dict[str, Confusion]
    #: Metrics of ``BASELINES``, as many of them as there are.
    baselines: dict[str, dict[str, float | None]]
    #: What the verdict rests on comes first: ``judged`` minus the baseline.
    differences: list[Difference]
    #: ``judged`` minus always giving the commonest answer, in ``kind.against_majority``.
    over_majority: Estimate
    #: The models on the parts of the records that were asked for.
    subgroups: list[Subgroup]
    #: The models at a threshold, where that was asked for.
    thresholds: Thresholds | None
    #: The same comparison on merged labels, where that was asked for; and what was merged.
    merged: "Comparison | None" = None
    merge: Mapping[str, Sequence[str]] | None = None

    @property
    def judged(self) -> str:
        """What the verdict is about, in keys: the candidate, or the mean over its trainings."""
        return REPLICATED if self.replicates else self.candidate

    @property
    def trainings(self) -> int:
        """How many trainings of the candidate there are."""
        return 1 + len(self.replicates)

    def flat(self) -> Entries:
        """Return everything but the subgroups as one flat mapping: ``tuned.accuracy``, …

        A model's number has ``_low`` and ``_high`` beside it, and ``_undefined`` where it was
        undefined in so many resamples. Differences are ``tuned_minus_base.…``; the mean over the
        candidate's training seeds is ``replicated.…``, with the standard deviation between them as
        ``_sd``. At a threshold there are ``tuned.threshold`` and ``tuned.at_threshold.…``; what was
        found on merged labels is ``merged.…``.
        """
        entries: Entries = {
            "verdict": self.verdict.sentence,
            "warnings": list(self.warnings),
            "kind": self.kind.name,
            "candidate": self.candidate,
            "baseline": self.baseline,
            "models": list(self.models),
            "replicates": list(self.replicates),
            "labels": list(self.labels),
            "positive": self.positive,
            "records": self.records,
            "groups": self.groups,
            "groups_are": self.noun,
            "linked": self.linked,
            "synthetic": self.synthetic,
            "resamples": self.resamples,
            "confidence": self.confidence,
        }
        for model, metrics in self.models.items():
            for name, value in metrics.items():
                entries |= value.flat(f"{model}.{name}")
        if self.thresholds:
            entries |= self.thresholds.flat()
        if self.replicated:
            for name, value in self.replicated.estimates.items():
                entries |= value.flat(f"{REPLICATED}.{name}")
                entries[f"{REPLICATED}.{name}_sd"] = self.replicated.deviations[name]
        for baseline, values in self.baselines.items():
            entries |= {f"{baseline}.{name}": value for name, value in values.items()}
        for difference in self.differences:
            entries |= difference.flat()
        against_majority = f"{self.judged}{MINUS}majority.{self.kind.against_majority}"
        entries |= self.over_majority.flat(against_majority)
        return entries | _prefixed(self.merged.flat() if self.merged else {})

    def headline(self) -> Entries:
        """Return the few numbers that ``dvc metrics diff`` should show, under short names.

        Each model's name has its value in the decisive metric; ``gain`` is the difference that the
        verdict rests on, with its interval and ``p``; ``mean`` and ``sd`` are over the candidate's
        training seeds. Of the candidate also ``auroc``, and sensitivity and specificity at its
        threshold. What was found on merged labels is ``merged.…``, with the share of right answers,
        too.
        """
        decisive, own = self.kind.decisive, self.candidate
        single = [name for name in self.models if name not in self.replicates]
        difference = f"{self.judged}{MINUS}{self.baseline}.{decisive}"
        names = {f"{name}.{decisive}": name for name in single}
        names |= {f"{REPLICATED}.{decisive}": "mean", f"{REPLICATED}.{decisive}_sd": "sd"}
        names |= {difference: "gain", f"{difference}_low": "gain_low"}
        names |= {f"{difference}_high": "gain_high", f"{difference}_p": "p"}
        names |= {f"{own}.auroc": "auroc", f"{own}.macro_auroc": "auroc"}
        for metric, name in (("recall", "sensitivity"), ("specificity", "specificity")):
            names[f"{own}.{AT_THRESHOLD}.{metric}"] = f"{name}_at"
        flat = replace(self, merged=None).flat()
        shown = {name: flat[key] for key, name in names.items() if key in flat}
        if self.merged is None:
            return shown
        right = self.kind.right
        rights: Entries = {
            f"{right}.{model}": self.merged.models[model][right].value for model in single
        }
        return shown | _prefixed(rights | self.merged.headline())


def _prefixed(entries: Entries) -> Entries:
    return {f"{MERGED}.{key}": value for key, value in entries.items()}
