"""Compare models on the same records: intervals, paired differences and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verdict.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.bootstrap import MajorityStatistics, ModelStatistics, bootstrap
from verdict.statistics.classification import (
    baseline_metrics,
    classification_metrics,
    confusion_matrix,
    majority_code,
    metric_names,
)
from verdict.statistics.differences import (
    Difference,
    Measured,
    paired_difference,
    paired_differences,
)
from verdict.statistics.estimates import Estimate, estimate
from verdict.statistics.formats import BASELINES, DECISIVE, MINUS
from verdict.statistics.same_records import check_same_records
from verdict.statistics.verdict import Evidence, Verdict, decide, find_obstacle


@dataclass(frozen=True)
class Comparison:
    """Several models on the same records."""

    verdict: Verdict
    candidate: str
    baseline: str
    labels: tuple[str, ...]
    positive: str | None
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
    #: For each model its confusion counts (labels, labels), true labels in rows.
    confusion: dict[str, np.ndarray]
    #: Metrics of ``BASELINES``.
    baselines: dict[str, dict[str, float | None]]
    differences: list[Difference]
    #: Accuracy of the candidate minus that of always answering the commonest label.
    over_majority: Estimate

    @property
    def binary(self) -> bool:
        return len(self.labels) == 2

    def flat(self) -> dict[str, float | int | str | None]:
        """Return everything as one flat mapping: ``tuned.accuracy``, ``tuned.accuracy_low``, …

        A model's number has ``_low`` and ``_high`` beside it, and ``_undefined`` where it was
        undefined in so many resamples. Differences are ``tuned_minus_base.…``.
        """
        entries: dict[str, float | int | str | None] = {
            "verdict": self.verdict.sentence,
            "records": self.records,
            "groups": self.groups,
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
        return entries | self.over_majority.flat(f"{self.candidate}{MINUS}majority.accuracy")

    def headline(self) -> dict[str, float | int | str | None]:
        """Return the few numbers that ``dvc metrics diff`` should show, all of ``DECISIVE``.

        Each model's value, and each difference with its interval and p.
        """
        return {
            key: value
            for key, value in self.flat().items()
            if key.endswith(f".{DECISIVE}") or (MINUS in key and f".{DECISIVE}_" in key)
        }


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
) -> Comparison:
    """Compare models that were evaluated on the same records.

    Every model is compared with the baseline, and the candidate with every model; Holm's
    correction is over all these comparisons of balanced accuracy. The verdict rests on one of
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

    Raises:
        VerdictError: the models' records, labels, groups or prompts differ, or a named model is
            not among them.
    """
    by_name = _named(predictions, baseline, candidate)
    check_same_records(predictions)
    first = predictions[0]
    names, groups = np.unique(first.groups, return_inverse=True)
    statistics = {name: ModelStatistics(p, groups) for name, p in by_name.items()}
    resampled = bootstrap(
        {**statistics, "majority": MajorityStatistics(first, groups)},
        groups=len(names),
        records=len(first),
        resamples=resamples,
        seed=seed,
    )
    measured = {
        name: Measured(classification_metrics(p), resampled[name]) for name, p in by_name.items()
    }
    differences = paired_differences(
        by_name, measured, baseline=baseline, candidate=candidate, confidence=confidence
    )
    baselines = baseline_metrics(first)
    majority = Measured(baselines["majority"], resampled["majority"])
    over_majority = paired_difference(measured[candidate], majority, "accuracy", confidence)
    most_common = first.labels[majority_code(first)]
    evidence = Evidence(
        candidate=candidate,
        baseline=baseline,
        after=measured[candidate].values[DECISIVE],
        before=measured[baseline].values[DECISIVE],
        difference=differences[0].metrics[DECISIVE],
        p=differences[0].p,
        confidence=confidence,
        groups=len(names),
        noun=f"synthetic {noun}" if synthetic else noun,
        majority=most_common,
        majority_accuracy=majority.values["accuracy"],
        accuracy=measured[candidate].values["accuracy"],
        over_majority=over_majority,
    )
    held = {label: first.actual == code for code, label in enumerate(first.labels)}
    return Comparison(
        verdict=decide(evidence, find_obstacle(groups, held, noun)),
        candidate=candidate,
        baseline=baseline,
        labels=first.labels,
        positive=first.positive,
        majority=most_common,
        records=len(first),
        groups=len(names),
        noun=noun,
        synthetic=synthetic,
        resamples=resamples,
        confidence=confidence,
        models={
            name: {
                metric: estimate(model.values[metric], model.resampled[metric], confidence)
                for metric in metric_names(first)
            }
            for name, model in measured.items()
        },
        confusion={name: confusion_matrix(p) for name, p in by_name.items()},
        baselines=baselines,
        differences=differences,
        over_majority=over_majority,
    )


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
    for name in by_name:
        if name in BASELINES or MINUS in name or "." in name:
            raise VerdictError(
                f"a model cannot be called {name}: {', '.join(BASELINES)}, '.' and '{MINUS}' have "
                "a meaning in metrics/compare.json; rename it in evaluate.models"
            )
    return by_name
