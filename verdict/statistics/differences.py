"""Paired differences of models: every resample draws the same groups for both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from verdict.statistics.bootstrap import Resampled
from verdict.statistics.estimates import Estimate, estimate, p_value
from verdict.statistics.formats import MINUS, rounded
from verdict.statistics.measurement import Measurement
from verdict.statistics.paired import holm, mcnemar_p


@dataclass(frozen=True)
class Difference:
    """One model minus another, on the same records."""

    first: str
    second: str
    metrics: dict[str, Estimate]
    #: The metric that p is about.
    decisive: str
    #: By the bootstrap over groups; and corrected for all comparisons.
    p: float | None
    p_holm: float | None
    #: Of the share of right answers, by McNemar's exact test, which takes records as independent.
    mcnemar_p: float | None

    def flat(self) -> dict[str, float | int | None]:
        """Return the entries of a metrics file."""
        prefix = f"{self.first}{MINUS}{self.second}"
        entries: dict[str, float | int | None] = {}
        for name, value in self.metrics.items():
            entries |= value.flat(f"{prefix}.{name}")
        return entries | {
            f"{prefix}.{self.decisive}_p": self.p,
            f"{prefix}.{self.decisive}_p_holm": self.p_holm,
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
    models: Mapping[str, Measurement],
    measured: Mapping[str, Measured],
    *,
    baseline: str,
    candidate: str,
    confidence: float,
) -> list[Difference]:
    """Compare the candidate with the baseline, then with the others, then these with the baseline.

    ``models`` and ``measured`` have the models' names; all models share their resamples.
    """
    others = [name for name in models if name not in (baseline, candidate)]
    pairs = [(candidate, baseline)]
    pairs += [(candidate, other) for other in others]
    pairs += [(other, baseline) for other in others]
    kind = models[candidate].kind
    differences = []
    for a, b in pairs:
        first, second = measured[a], measured[b]
        decisive = first.resampled[kind.decisive] - second.resampled[kind.decisive]
        differences.append(
            Difference(
                a,
                b,
                {
                    name: paired_difference(first, second, name, confidence)
                    for name in kind.differences
                },
                kind.decisive,
                rounded(p_value(decisive)),
                None,
                rounded(mcnemar_p(models[a].right, models[b].right)),
            )
        )
    corrected = holm([difference.p for difference in differences])
    return [replace(d, p_holm=rounded(p)) for d, p in zip(differences, corrected, strict=True)]
