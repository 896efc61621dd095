"""Models can be compared only if they were asked the same about the same records."""

from collections.abc import Sequence

import numpy as np

from verdict.errors import VerdictError
from verdict.predictions import Predictions


def check_same_records(predictions: Sequence[Predictions]) -> None:
    """Raise VerdictError where models were not asked the same, naming the first differences."""
    first = predictions[0]
    for other in predictions[1:]:
        if (other.labels, other.positive) != (first.labels, first.positive):
            raise VerdictError(
                f"{other.model} was asked for {_asked(other)}, but {first.model} for "
                f"{_asked(first)}; `dvc repro` evaluates both with the same labels"
            )
        missing = sorted(set(first.ids) - set(other.ids))
        extra = sorted(set(other.ids) - set(first.ids))
        if missing or extra:
            raise VerdictError(
                f"{other.model} and {first.model} were not evaluated on the same records: "
                + " and ".join(
                    f"{len(ids)} {verb} {other.model} ({_some(ids)})"
                    for ids, verb in ((missing, "missing from"), (extra, "only in"))
                    if ids
                )
                + "; `dvc repro` evaluates both on the same split"
            )
        for what, ours, theirs in (
            ("true label", first.actual, other.actual),
            ("reference answer", first.answers, other.answers),
            ("group", first.groups, other.groups),
            ("prompt", first.prompts, other.prompts),
        ):
            differing = first.ids[ours != theirs]
            if len(differing):
                raise VerdictError(
                    f"{len(differing)} of {len(first)} records have another {what} in "
                    f"{other.model} than in {first.model} ({_some(differing)}); "
                    "`dvc repro` evaluates both on the same conversations"
                )


def _asked(predictions: Predictions) -> str:
    if predictions.free_text:
        return "free text"
    return f"{', '.join(predictions.labels)} (positive: {predictions.positive})"


def _some(ids: Sequence[str] | np.ndarray, shown: int = 3) -> str:
    return ", ".join(ids[:shown]) + (", …" if len(ids) > shown else "")
