"""Paired differences of models: every resample draws the same groups for both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled
from verdict.statistics.delong import delong_p
from verdict.statistics.edges import Edges
from verdict.statistics.estimates import Estimate, estimate, p_value, parts_of
from verdict.statistics.formats import MINUS, rounded
from verdict.statistics.kinds import Kind
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
    #: By the bootstrap over groups; and corrected for all comparisons of the family.
    p: float | None
    p_holm: float | None = None
    #: Of tests that take records as independent, which stand beside p: ``mcnemar_p`` of the shares
    #: of right answers, and of two labels ``delong_p`` of AUROC. None where records are not.
    secondary: dict[str, float | None] = field(default_factory=dict)

    def flat(self) -> dict[str, float | int | None]:
        """Return the entries of a metrics file."""
        prefix = f"{self.first}{MINUS}{self.second}"
        entries: dict[str, float | int | None] = {}
        for name, value in self.metrics.items():
            entries |= value.flat(f"{prefix}.{name}")
        entries |= {
            f"{prefix}.{self.decisive}_p": self.p,
            f"{prefix}.{self.decisive}_p_holm": self.p_holm,
        }
        return entries | {f"{prefix}.{name}": p for name, p in self.secondary.items()}


@dataclass(frozen=True)
class Measured:
    """A model's metrics: on the records themselves, and on each resample of them."""

    values: Mapping[str, float | None]
    resampled: Resampled
    #: What the metrics are proportions of, where that is known.
    edges: Edges | None = None


def paired_difference(
    first: Measured, second: Measured, metric: str, confidence: float
) -> Estimate:
    """Return ``first`` minus ``second`` with its interval; two that are equal differ by nothing."""
    a, b = first.values[metric], second.values[metric]
    value = None if a is None or b is None else a - b
    ours, theirs = (parts_of(model.edges, metric, model.values) for model in (first, second))
    parts = [*ours, *(replace(part, weight=-part.weight) for part in theirs)]
    resampled = first.resampled[metric] - second.resampled[metric]
    return estimate(value, resampled, confidence, parts if ours and theirs and value else ())


def find_difference(
    first: tuple[str, Measured], second: tuple[str, Measured], kind: Kind, confidence: float
) -> Difference:
    """Return ``first`` minus ``second`` in the metrics of ``kind.differences``.

    Each is a name and what was measured; both have the same resamples.
    """
    (a, ours), (b, theirs) = first, second
    return Difference(
        a,
        b,
        {name: paired_difference(ours, theirs, name, confidence) for name in kind.differences},
        kind.decisive,
        rounded(p_value(ours.resampled[kind.decisive] - theirs.resampled[kind.decisive])),
    )


def paired_differences(
    predictions: Mapping[str, Predictions],
    models: Mapping[str, Measurement],
    measured: Mapping[str, Measured],
    *,
    baseline: str,
    candidate: str,
    confidence: float,
) -> list[Difference]:
    """Compare the candidate with the baseline, then with the others, then these with the baseline.

    All of them are one family for Holm's correction. ``predictions``, ``models`` and ``measured``
    have the models' names; all models share their resamples.
    """
    others = [name for name in models if name not in (baseline, candidate)]
    pairs = [(candidate, baseline)]
    pairs += [(candidate, other) for other in others]
    pairs += [(other, baseline) for other in others]
    kind = models[candidate].kind
    differences = [
        replace(
            find_difference((a, measured[a]), (b, measured[b]), kind, confidence),
            secondary=_secondary(
                predictions[a], predictions[b], (models[a].right, models[b].right)
            ),
        )
        for a, b in pairs
    ]
    corrected = holm([difference.p for difference in differences])
    return [replace(d, p_holm=rounded(p)) for d, p in zip(differences, corrected, strict=True)]


def _secondary(
    first: Predictions, second: Predictions, right: tuple[np.ndarray, np.ndarray]
) -> dict[str, float | None]:
    """Return the p of tests that hold only where no two records share a group.

    ``right`` says of either model which of its answers are right, bool (n).
    """
    independent = first.independent
    found = {"mcnemar_p": rounded(mcnemar_p(*right)) if independent else None}
    if first.binary:
        code = first.positive_code
        positive, scores = first.actual == code, (first.scores[:, code], second.scores[:, code])
        found["delong_p"] = rounded(delong_p(positive, *scores)) if independent else None
    return found
