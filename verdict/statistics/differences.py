"""Paired differences of models: every resample draws the same groups for both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled
from verdict.statistics.estimates import Estimate, estimate, p_value
from verdict.statistics.formats import DECISIVE, MINUS, rounded
from verdict.statistics.paired import holm, mcnemar_p

#: Metrics whose paired differences are reported.
BINARY_DIFFERENCES = ("balanced_accuracy", "accuracy", "recall", "specificity")
MULTICLASS_DIFFERENCES = ("balanced_accuracy", "accuracy", "macro_f1")


@dataclass(frozen=True)
class Difference:
    """One model minus another, on the same records."""

    first: str
    second: str
    metrics: dict[str, Estimate]
    #: Of balanced accuracy, by the bootstrap over groups; and corrected for all comparisons.
    p: float | None
    p_holm: float | None
    #: Of accuracy, by McNemar's exact test, which takes records as independent.
    mcnemar_p: float | None

    def flat(self) -> dict[str, float | int | None]:
        """Return the entries of a metrics file."""
        prefix = f"{self.first}{MINUS}{self.second}"
        entries: dict[str, float | int | None] = {}
        for name, value in self.metrics.items():
            entries |= value.flat(f"{prefix}.{name}")
        return entries | {
            f"{prefix}.balanced_accuracy_p": self.p,
            f"{prefix}.balanced_accuracy_p_holm": self.p_holm,
            f"{prefix}.mcnemar_p": self.mcnemar_p,
        }


@dataclass(frozen=True)
class Measured:
    """A model's metrics: on the records themselves, and on each resample of them."""

    values: Mapping[str, float | None]
    resampled: Resampled


def paired_difference(
    first: Measured, second: Measured, metric: str, confidence: float
) -> Estimate:
    """Return ``first`` minus ``second`` with its interval."""
    a, b = first.values[metric], second.values[metric]
    value = None if a is None or b is None else a - b
    return estimate(value, first.resampled[metric] - second.resampled[metric], confidence)


def paired_differences(
    predictions: Mapping[str, Predictions],
    measured: Mapping[str, Measured],
    *,
    baseline: str,
    candidate: str,
    confidence: float,
) -> list[Difference]:
    """Compare the candidate with the baseline, then with the others, then these with the baseline.

    ``predictions`` and ``measured`` have the models' names; all models share their resamples.
    """
    others = [name for name in predictions if name not in (baseline, candidate)]
    pairs = [(candidate, baseline)]
    pairs += [(candidate, other) for other in others]
    pairs += [(other, baseline) for other in others]
    binary, actual = predictions[candidate].binary, predictions[candidate].actual
    metrics = BINARY_DIFFERENCES if binary else MULTICLASS_DIFFERENCES
    differences = []
    for a, b in pairs:
        first, second = measured[a], measured[b]
        decisive = first.resampled[DECISIVE] - second.resampled[DECISIVE]
        differences.append(
            Difference(
                a,
                b,
                {name: paired_difference(first, second, name, confidence) for name in metrics},
                rounded(p_value(decisive)),
                None,
                rounded(mcnemar_p(actual, predictions[a].predicted, predictions[b].predicted)),
            )
        )
    corrected = holm([difference.p for difference in differences])
    return [replace(d, p_holm=rounded(p)) for d, p in zip(differences, corrected, strict=True)]
