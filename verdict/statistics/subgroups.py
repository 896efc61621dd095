"""The models' main metrics among the women, at each site, at each magnification."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled, bootstrap
from verdict.statistics.estimates import Estimate, estimates
from verdict.statistics.formats import rounded
from verdict.statistics.measurement import Measurement
from verdict.statistics.verdict import MIN_GROUPS, units_of

#: The value of records that lack the attribute.
NOT_STATED = "(not stated)"


@dataclass(frozen=True)
class Subgroup:
    """The records that have one value of an attribute."""

    attribute: str
    value: str
    records: int
    groups: int
    #: How many of the records are positive; None unless there are two labels.
    positives: int | None
    #: For each model and metric of ``Kind.parts``, its value and interval.
    models: dict[str, dict[str, Estimate]]

    def flat(self) -> dict[str, float | int | str | None]:
        """Return the entries of a report: ``n``, ``tuned.accuracy``, ``tuned.accuracy_low``, …"""
        entries: dict[str, float | int | str | None] = {
            "attribute": self.attribute,
            "value": self.value,
            "n": self.records,
            "groups": self.groups,
        }
        if self.positives is not None:
            entries["positives"] = self.positives
        for model, metrics in self.models.items():
            for name, value in metrics.items():
                entries |= value.flat(f"{model}.{name}")
        return entries


def find_subgroups(
    predictions: Predictions,
    models: Mapping[str, Measurement],
    attributes: Sequence[str],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> list[Subgroup]:
    """Measure the models on the records of each value of each attribute.

    Every part has a bootstrap of its own, over its groups. With fewer than ``MIN_GROUPS`` of them
    there is no interval. A metric that needs every label is undefined where one is absent.

    Args:
        predictions: of any of the models; all have the same records.
        models: the measurements by model.
        attributes: names; values are in natural order (40X before 100X), those without one last.
        resamples, confidence, seed: of the bootstrap.

    Raises:
        VerdictError: no record has one of the attributes.
    """
    found = []
    for attribute in attributes:
        for value, chosen in _parts(predictions, attribute):
            part = predictions.part(chosen)
            measured = {name: model.part(chosen) for name, model in models.items()}
            resampled = bootstrap(
                measured if units_of(part) >= MIN_GROUPS else {},
                cells=part.cell_groups,
                records=len(part),
                resamples=resamples,
                seed=seed,
            )
            found_here = {
                name: _estimates(model, len(part.cell_groups), resampled.get(name), confidence)
                for name, model in measured.items()
            }
            positives = int((part.actual == part.positive_code).sum()) if part.binary else None
            groups = len(part.group_names)
            found.append(Subgroup(attribute, value, len(part), groups, positives, found_here))
    return found


def _parts(predictions: Predictions, attribute: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each value and the records that have it, bool (n)."""
    known = sorted({name for attributes in predictions.attributes for name in attributes})
    if attribute not in known:
        raise VerdictError(
            f"compare.subgroups: no record has the attribute {attribute}; there are "
            + (", ".join(known) or "none")
        )
    held = [attributes.get(attribute) for attributes in predictions.attributes]
    for value in sorted({value for value in held if value is not None}, key=_natural):
        yield value, np.array([other == value for other in held])
    if None in held:
        yield NOT_STATED, np.array([value is None for value in held])


def _natural(value: str) -> list[tuple[int, str]]:
    return [
        (int(piece), "") if piece.isdecimal() else (-1, piece)
        for piece in re.split(r"(\d+)", value)
    ]


def _estimates(
    model: Measurement, cells: int, resampled: Resampled | None, confidence: float
) -> dict[str, Estimate]:
    """Return the metrics of a part; without resamples they have no interval."""
    whole = model(np.ones((1, cells)))
    values = {name: rounded(whole[name][0]) for name in model.kind.parts}
    drawn = defaultdict(lambda: np.zeros(0)) if resampled is None else resampled
    return estimates(values, drawn, model.kind.parts, confidence, model.edges)
