"""What a comparison found, as one nested model: everything that shows a comparison reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from verdict.comparison.decision_results import Decisions
from verdict.comparison.results import (
    MERGED,
    METHODS,
    MINUS,
    MINUS_TEST,
    OUTSIDE,
    REPLICATED,
    Difference,
    Entries,
    Estimate,
    Estimates,
    Replicated,
    Subgroup,
    Thresholds,
    Verdict,
    flat_estimates,
)
from verdict.statistics.counts import Confusion
from verdict.statistics.kinds import Kind


@dataclass(frozen=True)
class Outside:
    """The same models on a test set from elsewhere."""

    comparison: "Comparison"
    #: By model, and the mean over its trainings: its metrics there minus those on the test split.
    changes: dict[str, Estimates]

    def flat(self) -> Entries:
        entries = self.comparison.to_json()
        for model, metrics in self.changes.items():
            entries |= flat_estimates(f"{model}.{MINUS_TEST}", metrics)
        return entries


@dataclass(frozen=True)
class Comparison:
    """Several models on the same records."""

    #: From the file: its sentence and remarks alone.
    verdict: Verdict
    #: What a reader has to know before trusting the numbers.
    warnings: tuple[str, ...]
    kind: Kind
    candidate: str
    baseline: str
    #: The candidate trained with other seeds.
    replicates: tuple[str, ...]
    #: None at all where the task is free text.
    labels: tuple[str, ...]
    positive: str | None
    records: int
    groups: int
    #: What groups are called, in the plural.
    noun: str
    #: Whether any record links two groups.
    linked: bool
    #: Whether the data are made up.
    synthetic: bool
    resamples: int
    confidence: float
    #: By model and trained baseline, in the order of tables.
    models: dict[str, Estimates]
    #: The models at a threshold, where that was asked for.
    thresholds: Thresholds | None
    #: The mean over the candidate's trainings, if there are several.
    replicated: Replicated | None
    #: What is no model, but was trained on the same records: its name to its kind. Their metrics
    #: stand in ``models``, behind the models'.
    trained: dict[str, str]
    #: Metrics of ``BASELINES``, as many of them as there are.
    baselines: dict[str, dict[str, float | None]]
    #: What the verdict rests on comes first: ``judged`` minus the baseline.
    differences: list[Difference]
    #: ``judged`` minus always giving the commonest answer, in ``kind.against_majority``.
    over_majority: Estimate
    #: The models on the parts of the records that were asked for.
    subgroups: list[Subgroup] = field(default_factory=list)
    #: The same comparison on merged labels, where that was asked for.
    merged: "Comparison | None" = None
    #: By name, test sets from elsewhere.
    outside: dict[str, Outside] = field(default_factory=dict)
    #: What the probabilities are worth; None of free text, which has none, and without records.
    decisions: Decisions | None = None

    # What the compare stage shows beside the numbers. It is not in the file, and empty from there:
    # the commonest answer; whether no two records share a group; what each model answered, of free
    # text to closed questions alone; and which labels were merged.
    majority: str = field(default="", compare=False)
    independent: bool = field(default=False, compare=False)
    confusion: dict[str, Confusion] = field(default_factory=dict, compare=False)
    #: Of how many settings these are the best on validation, and the decisive difference with an
    #: interval that allows for as many.
    tries: int = field(default=1, compare=False)
    allowing: Estimate = field(default=Estimate(None), compare=False)
    merge: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)

    @property
    def judged(self) -> str:
        """What the verdict is about: the candidate, or the mean over its trainings."""
        return REPLICATED if self.replicates else self.candidate

    @property
    def trainings(self) -> int:
        """How many trainings of the candidate there are."""
        return 1 + len(self.replicates)

    @property
    def single(self) -> list[str]:
        """The models without the candidate's trainings with other seeds, which differ little."""
        return [name for name in self.models if name not in self.replicates]

    @property
    def rated(self) -> dict[str, Estimates]:
        """The models' metrics, and those of the mean over trainings, if there is one."""
        mean = {REPLICATED: self.replicated.metrics} if self.replicated else {}
        own = {name: found for name, found in self.models.items() if name not in self.trained}
        return own | mean | {name: self.models[name] for name in self.trained}

    @property
    def methods(self) -> dict[str, str]:
        """What each trained baseline is, in words."""
        return {name: METHODS[kind] for name, kind in self.trained.items()}

    @property
    def columns(self) -> dict[str, Estimates]:
        """``rated``, and the baselines, which have no intervals and not every metric."""
        return self.rated | {
            baseline: {name: Estimate(value) for name, value in values.items()}
            for baseline, values in self.baselines.items()
        }

    def against(self, name: str) -> Iterator[tuple[str, Estimate, Estimate, Estimate]]:
        """Yield each model with its decisive metric here, on a set from elsewhere, and the change.

        With the mean over trainings, and the trained baselines, as ``rated`` has them.
        """
        metric, found = self.kind.decisive, self.outside[name]
        for model, own in self.rated.items():
            there, change = found.comparison.rated[model], found.changes[model]
            yield model, own[metric], there[metric], change[metric]

    def flat(self) -> Entries:
        """Return everything but the subgroups as one flat mapping: ``tuned.accuracy``, …

        A model's number has ``_low`` and ``_high`` beside it, and ``_undefined`` where it was
        undefined in so many resamples. Differences are ``tuned_minus_base.…``; the mean over the
        candidate's training seeds is ``replicated.…``, with the standard deviation between them as
        ``_sd``. At a threshold there are ``tuned.threshold`` and ``tuned.at_threshold.…``; what was
        found on merged labels is ``merged.…``, on a test set from elsewhere ``outside.NAME.…``.
        """
        entries: Entries = {
            "verdict": self.verdict.sentence,
            **({"remarks": list(self.verdict.remarks)} if self.verdict.remarks else {}),
            "warnings": list(self.warnings),
            "kind": self.kind.name,
            **({"thinking": True} if self.kind.thinking else {}),
            "candidate": self.candidate,
            "baseline": self.baseline,
            "models": [name for name in self.models if name not in self.trained],
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
        if self.trained:
            entries["trained_baselines"] = list(self.trained)
            entries |= {f"{name}.kind": kind for name, kind in self.trained.items()}
        for model, metrics in self.models.items():
            entries |= flat_estimates(model, metrics)
        if self.thresholds:
            entries |= self.thresholds.flat()
        if self.replicated:
            entries |= self.replicated.flat()
        for baseline, values in self.baselines.items():
            entries |= {f"{baseline}.{name}": value for name, value in values.items()}
        for difference in self.differences:
            entries |= difference.flat(self.kind.decisive)
        entries |= self.over_majority.flat(
            f"{self.judged}{MINUS}majority.{self.kind.against_majority}"
        )
        entries |= _merged(self.merged.flat() if self.merged else {})
        if self.outside:
            entries[OUTSIDE] = list(self.outside)
        for name, found in self.outside.items():
            entries |= _of_set(name, found.flat())
        return entries

    def headline(self) -> Entries:
        """Return the few numbers that ``dvc metrics diff`` should show, under short names.

        Each model's name has its value in the decisive metric; ``gain`` is the difference that the
        verdict rests on, with its interval and ``p``; ``mean`` and ``sd`` are over the candidate's
        training seeds. Of the candidate also ``auroc``, and sensitivity and specificity at its
        threshold. What was found on merged labels is ``merged.…``, with the share of right answers,
        too; on a test set from elsewhere it is ``outside.NAME.…``, with ``change``: the candidate's
        value there minus that on the test split.
        """
        shown = self._headline()
        for name, found in self.outside.items():
            change = found.changes[self.judged][self.kind.decisive].flat("change")
            shown |= _of_set(name, found.comparison.headline() | change)
        return shown

    def _headline(self) -> Entries:
        decisive, own = self.kind.decisive, self.models[self.candidate]
        gain = self.differences[0].metrics[decisive]
        shown: Entries = {name: self.models[name][decisive].value for name in self.single}
        if self.replicated:
            shown["mean"] = self.replicated.metrics[decisive].value
            shown["sd"] = self.replicated.deviations[decisive]
        shown |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        shown["p"] = self.differences[0].p
        for name in ("auroc", "macro_auroc"):
            if name in own:
                shown["auroc"] = own[name].value
        if self.thresholds and self.candidate in self.thresholds.models:
            there = self.thresholds.models[self.candidate].metrics
            shown["sensitivity_at"] = there["recall"].value
            shown["specificity_at"] = there["specificity"].value
        if self.merged is None:
            return shown
        right, merged = self.kind.right, self.merged
        rights = {f"{right}.{name}": merged.models[name][right].value for name in self.single}
        return shown | _merged(rights | merged.headline())

    def to_json(self) -> Entries:
        """Return what the file holds: the numbers of ``flat``, a list of subgroups, decisions."""
        entries = self.flat() | {"subgroups": [subgroup.flat() for subgroup in self.subgroups]}
        if self.decisions:
            entries["decisions"] = self.decisions.to_json()
        if self.merged and self.merged.decisions:
            entries |= _merged({"decisions": self.merged.decisions.to_json()})
        return entries


def _of_set(name: str, entries: Entries) -> Entries:
    return {f"{OUTSIDE}.{name}.{key}": value for key, value in entries.items()}


def _merged(entries: Entries) -> Entries:
    return {f"{MERGED}.{key}": value for key, value in entries.items()}


def pairs_of(models: Sequence[str], candidate: str, baseline: str) -> Iterator[tuple[str, str]]:
    """Yield who is compared with whom.

    The candidate with the baseline, then with the others, then these with the baseline.
    """
    others = [name for name in models if name not in (baseline, candidate)]
    yield candidate, baseline
    yield from ((candidate, other) for other in others)
    yield from ((other, baseline) for other in others)
