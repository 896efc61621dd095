"""The models' main metrics among the women, at each site, at each magnification."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.intervals import Measured
from verdict.comparison.results import Estimates, Subgroup
from verdict.comparison.verdict import MIN_GROUPS, units_of
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled
from verdict.statistics.measurement import Measurement

if TYPE_CHECKING:
    from verdict.params import Compare

#: The value of records that lack the attribute.
NOT_STATED = "(not stated)"


def find_subgroups(models: Mapping[str, Measurement], options: "Compare") -> list[Subgroup]:
    """Measure the models on the records of each value of each attribute of ``options.subgroups``.

    Every part has a bootstrap of its own, over its groups. With fewer than ``MIN_GROUPS`` of them
    there is no interval. A metric that needs every label is undefined where one is absent. Values
    are in natural order (40X before 100X), records without one come last.

    Raises:
        VerdictError: no record has one of the attributes.
    """
    predictions = next(iter(models.values())).predictions
    return [
        _subgroup(models, attribute, value, chosen, options)
        for attribute in options.subgroups
        for value, chosen in parts_of(predictions, attribute)
    ]


def _subgroup(
    models: Mapping[str, Measurement],
    attribute: str,
    value: str,
    chosen: np.ndarray,
    options: "Compare",
) -> Subgroup:
    parts = {name: model.part(chosen) for name, model in models.items()}
    first = next(iter(parts.values())).predictions
    resampled = bootstrap(
        parts if units_of(first) >= MIN_GROUPS else {},
        cells=first.cell_groups,
        records=len(first),
        resamples=options.resamples,
        seed=options.seed,
    )
    return Subgroup(
        attribute,
        value,
        records=len(first),
        groups=len(first.group_names),
        positives=int((first.actual == first.positive_code).sum()) if first.binary else None,
        models={
            name: _estimates(part, resampled.get(name), options.confidence)
            for name, part in parts.items()
        },
    )


def parts_of(predictions: Predictions, attribute: str) -> Iterator[tuple[str, np.ndarray]]:
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


def _estimates(model: Measurement, resampled: Resampled | None, confidence: float) -> Estimates:
    """Return the metrics of a part; without resamples they have no interval."""
    drawn = defaultdict(lambda: np.zeros(0)) if resampled is None else resampled
    measured = Measured(model.values(), drawn, model.proportions)
    return measured.estimates(model.kind.shown("subgroups"), confidence)
