"""Compare models on the same records: intervals, paired differences and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verdict.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.baselines import baselines_of
from verdict.statistics.bootstrap import bootstrap
from verdict.statistics.confusion import Confusion
from verdict.statistics.differences import (
    Difference,
    Measured,
    paired_difference,
    paired_differences,
)
from verdict.statistics.estimates import Estimate, estimate
from verdict.statistics.formats import BASELINES, MERGED, MINUS
from verdict.statistics.kinds import Kind
from verdict.statistics.measurement import measure
from verdict.statistics.merging import merge_labels
from verdict.statistics.same_records import check_same_records
from verdict.statistics.subgroups import Subgroup, find_subgroups
from verdict.statistics.verdict import Evidence, Verdict, decide, find_obstacle

Entries = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Comparison:
    """Several models on the same records."""

    verdict: Verdict
    kind: Kind
    candidate: str
    baseline: str
    #: None at all where the task is free text.
    labels: tuple[str, ...]
    positive: str | None
    #: The commonest answer.
    majority: str
    records: int
    groups: int
    noun: str
    #: Whether the data are made up.
    synthetic: bool
    resamples: int
    confidence: float
    #: For each model and metric, its value and interval.
    models: dict[str, dict[str, Estimate]]
    #: What each model answered; of free text, to closed questions alone.
    confusion: dict[str, Confusion]
    #: Metrics of ``BASELINES``, as many of them as there are.
    baselines: dict[str, dict[str, float | None]]
    differences: list[Difference]
    #: The candidate minus always giving the commonest answer, in ``kind.against_majority``.
    over_majority: Estimate
    #: The models on the parts of the records that were asked for.
    subgroups: list[Subgroup]
    #: The same comparison on merged labels, where that was asked for; and what was merged.
    merged: "Comparison | None" = None
    merge: Mapping[str, Sequence[str]] | None = None

    def flat(self) -> Entries:
        """Return everything but the subgroups as one flat mapping: ``tuned.accuracy``, …

        A model's number has ``_low`` and ``_high`` beside it, and ``_undefined`` where it was
        undefined in so many resamples. Differences are ``tuned_minus_base.…``; what was found on
        merged labels is ``merged.…``.
        """
        entries: Entries = {
            "verdict": self.verdict.sentence,
            "kind": self.kind.name,
            "records": self.records,
            "groups": self.groups,
            "groups_are": self.noun,
            "synthetic": self.synthetic,
            "resamples": self.resamples,
            "confidence": self.confidence,
        }
        for model, metrics in self.models.items():
            for name, value in metrics.items():
                entries |= value.flat(f"{model}.{name}")
        for baseline, values in self.baselines.items():
            entries |= {f"{baseline}.{name}": value for name, value in values.items()}
        for difference in self.differences:
            entries |= difference.flat()
        against_majority = f"{self.candidate}{MINUS}majority.{self.kind.against_majority}"
        entries |= self.over_majority.flat(against_majority)
        return entries | _prefixed(self.merged.flat() if self.merged else {})

    def headline(self) -> Entries:
        """Return the few numbers that ``dvc metrics diff`` should show.

        Each model's value in the decisive metric, and each difference with its interval and p; on
        merged labels the share of right answers, too, which stands in no other metrics file.
        """
        decisive, right = self.kind.decisive, self.kind.right
        shown = {
            key: value
            for key, value in replace(self, merged=None).flat().items()
            if key.endswith(f".{decisive}") or (MINUS in key and f".{decisive}_" in key)
        }
        if self.merged is None:
            return shown
        rights: Entries = {
            f"{model}.{right}": metrics[right].value
            for model, metrics in self.merged.models.items()
        }
        return shown | _prefixed(rights | self.merged.headline())


def compare(
    predictions: Sequence[Predictions],
    *,
    baseline: str,
    resamples: int,
    confidence: float,
    seed: int,
    synthetic: bool,
    candidate: str = "tuned",
    noun: str = "groups",
    subgroups: Sequence[str] = (),
    merge: Mapping[str, Sequence[str]] | None = None,
    merge_positive: str | None = None,
) -> Comparison:
    """Compare models that were evaluated on the same records.

    Every model is compared with the baseline, and the candidate with every model; Holm's
    correction is over all these comparisons of the decisive metric. The verdict rests on one of
    them, fixed beforehand: the candidate against the baseline, uncorrected.

    Args:
        predictions: one a model, in the order of tables and figures.
        baseline: the name of the model to compare with.
        resamples: how often the bootstrap draws groups.
        confidence: of the intervals, 0.95 for 95 %.
        seed: of the bootstrap.
        synthetic: whether the data are made up; then the verdict, too, says so.
        candidate: the name of the model that the verdict is about.
        noun: what groups are called in the verdict, in the plural: ``patients``.
        subgroups: names of attributes; the models are measured on the records of each value.
        merge: for each new label the old ones that it stands for; then all is compared a second
            time on the new labels. None or empty: it is not.
        merge_positive: the positive one of two new labels.

    Raises:
        VerdictError: the models' records, labels, groups or prompts differ, a named model is not
            among them, no record has an attribute, or labels cannot be merged so.
    """
    by_name = _named(predictions, baseline, candidate)
    check_same_records(predictions)
    first = predictions[0]
    groups = len(np.unique(first.groups))
    models = {name: measure(p) for name, p in by_name.items()}
    baselines = baselines_of(first)
    resampled = bootstrap(
        {**models, "majority": baselines.resample},
        groups=groups,
        records=len(first),
        resamples=resamples,
        seed=seed,
    )
    measured = {name: Measured(m.values(), resampled[name]) for name, m in models.items()}
    kind = models[candidate].kind
    differences = paired_differences(
        models, measured, baseline=baseline, candidate=candidate, confidence=confidence
    )
    majority = Measured(baselines.values["majority"], resampled["majority"])
    rivalry = kind.against_majority
    over_majority = paired_difference(measured[candidate], majority, rivalry, confidence)
    evidence = Evidence(
        candidate=candidate,
        baseline=baseline,
        metric=kind.decisive,
        after=measured[candidate].values[kind.decisive],
        before=measured[baseline].values[kind.decisive],
        difference=differences[0].metrics[kind.decisive],
        p=differences[0].p,
        confidence=confidence,
        groups=groups,
        noun=f"synthetic {noun}" if synthetic else noun,
        majority=baselines.answer,
        majority_metric=rivalry,
        majority_value=majority.values[rivalry],
        candidate_value=measured[candidate].values[rivalry],
        over_majority=over_majority,
    )
    comparison = Comparison(
        verdict=decide(evidence, find_obstacle(first, noun)),
        kind=kind,
        candidate=candidate,
        baseline=baseline,
        labels=first.labels,
        positive=first.positive,
        majority=baselines.answer,
        records=len(first),
        groups=groups,
        noun=noun,
        synthetic=synthetic,
        resamples=resamples,
        confidence=confidence,
        models={
            name: {
                metric: estimate(model.values[metric], model.resampled[metric], confidence)
                for metric in kind.metrics
            }
            for name, model in measured.items()
        },
        confusion={name: model.confusion() for name, model in models.items()},
        baselines=baselines.values,
        differences=differences,
        over_majority=over_majority,
        subgroups=find_subgroups(
            first, models, subgroups, resamples=resamples, confidence=confidence, seed=seed
        ),
    )
    if not merge:
        return comparison
    merged = compare(
        [merge_labels(p, merge, merge_positive) for p in predictions],
        baseline=baseline,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
        synthetic=synthetic,
        candidate=candidate,
        noun=noun,
    )
    return replace(comparison, merged=merged, merge=merge)


def _prefixed(entries: Entries) -> Entries:
    return {f"{MERGED}.{key}": value for key, value in entries.items()}


def _named(
    predictions: Sequence[Predictions], baseline: str, candidate: str
) -> dict[str, Predictions]:
    by_name = {p.model: p for p in predictions}
    known = ", ".join(by_name)
    if len(by_name) < len(predictions):
        raise VerdictError(f"two predictions have the same model name; they are {known}")
    for role, name in (("baseline", baseline), ("candidate", candidate)):
        if name not in by_name:
            raise VerdictError(f"the {role} {name} has no predictions; there are {known}")
    if baseline == candidate:
        raise VerdictError(
            f"{candidate} is compared with itself: set compare.baseline to another of {known}"
        )
    reserved = (*BASELINES, MERGED)
    for name in by_name:
        if name in reserved or MINUS in name or "." in name:
            raise VerdictError(
                f"a model cannot be called {name}: {', '.join(reserved)}, '.' and '{MINUS}' have "
                "a meaning in metrics/compare.json; rename it in evaluate.models"
            )
    return by_name
