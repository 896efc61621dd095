"""Which model is compared with which: the candidate, its replicates, the baseline, the others."""

from collections.abc import Sequence

from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
from verdict.statistics.formats import (
    BASELINES,
    HEADLINES,
    MERGED,
    MINUS,
    REPLICATED,
    THRESHOLD,
)

#: What stands in the keys of a metrics file where a model's name would.
_RESERVED = (*BASELINES, MERGED, REPLICATED, THRESHOLD, *HEADLINES)


def predictions_by_name(
    predictions: Sequence[Predictions], baseline: str, candidate: str, replicates: Sequence[str]
) -> dict[str, Predictions]:
    """Return the predictions by their models' names, in the same order.

    Raises:
        VerdictError: two have one name, a name means something else, the baseline, the candidate
            or a replicate is missing, or one of them is another of them.
    """
    by_name = by_model(predictions)
    known = ", ".join(by_name)
    named = [("baseline", baseline), ("candidate", candidate)]
    named += [("replicate", name) for name in replicates]
    for role, name in named:
        if name not in by_name:
            raise VerdictError(f"the {role} {name} has no predictions; there are {known}")
    if baseline == candidate:
        raise VerdictError(
            f"{candidate} is compared with itself: set compare.baseline to another of {known}"
        )
    for role, name in named[:2]:
        if name in replicates:
            raise VerdictError(
                f"{name} is the {role} and a replicate at once; take it out of replicates"
            )
    for name in by_name:
        if name in _RESERVED or MINUS in name or "." in name:
            raise VerdictError(
                f"a model cannot be called {name}: {', '.join(_RESERVED)}, '.' and '{MINUS}' have "
                "a meaning in metrics/compare.json; rename it in evaluate.models"
            )
    return by_name


def by_model(predictions: Sequence[Predictions]) -> dict[str, Predictions]:
    """Return the predictions by their models' names.

    Raises:
        VerdictError: two have one name.
    """
    named = {p.model: p for p in predictions}
    if len(named) < len(predictions):
        raise VerdictError(f"two predictions have the same model name; they are {', '.join(named)}")
    return named
