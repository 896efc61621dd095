"""Models can be compared only if they were asked the same about the same records."""

from collections.abc import Mapping, Sequence

import numpy as np

from verdict.core.errors import VerdictError
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
        ways = {first.length_normalization, other.length_normalization} - {None}
        if len(ways) > 1:
            raise VerdictError(
                f"the answers of {other.model} were scored with length_normalization "
                f"{other.length_normalization}, those of {first.model} with "
                f"{first.length_normalization}; `dvc repro` scores both alike"
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
            ("second group", first.other_groups, other.other_groups),
            ("prompt", first.prompts, other.prompts),
        ):
            differing = first.ids[ours != theirs]
            if len(differing):
                raise VerdictError(
                    f"{len(differing)} of {len(first)} records have another {what} in "
                    f"{other.model} than in {first.model} ({_some(differing)}); "
                    "`dvc repro` evaluates both on the same conversations"
                )


def check_validation(
    predictions: Mapping[str, Predictions], validation: Mapping[str, Predictions]
) -> None:
    """Check that thresholds chosen on ``validation`` may be applied to ``predictions``, by model.

    Raises:
        VerdictError: there are not two labels, or there are other models, labels or prompts than
            on the test split, records that models do not share, or a record or group that is in
            both splits. The message names the first of them.
    """
    test = next(iter(predictions.values()))
    if not test.binary:
        raise VerdictError(
            "compare.sensitivity is about the positive one of two labels, but models were asked "
            f"for {_asked(test)}; set compare.sensitivity=null"
        )
    for name in predictions:
        if name not in validation:
            raise VerdictError(
                f"{name} has no predictions on the validation split, from which its threshold "
                "would be chosen; set evaluate.validation=true and run `dvc repro`, or set "
                "compare.sensitivity=null"
            )
    for name in validation:
        if name not in predictions:
            raise VerdictError(
                f"{name} has predictions on the validation split, but none on the test split; "
                "`dvc repro` makes both"
            )
    check_same_records(list(validation.values()))
    other = next(iter(validation.values()))
    if (test.labels, test.positive) != (other.labels, other.positive):
        raise VerdictError(
            f"on the validation split models were asked for {_asked(other)}, but on the test "
            f"split for {_asked(test)}; `dvc repro` asks for the same labels on both"
        )
    for name, p in predictions.items():
        if validation[name].length_normalization != p.length_normalization:
            raise VerdictError(
                f"the answers of {name} were scored with length_normalization "
                f"{validation[name].length_normalization} on the validation split, but with "
                f"{p.length_normalization} on the test split; `dvc repro` scores both alike"
            )
    for what, ours, theirs in (
        ("record", test.ids, other.ids),
        ("group", test.group_names, other.group_names),
    ):
        shared = sorted(set(ours) & set(theirs))
        if shared:
            raise VerdictError(
                f"{len(shared)} {what}{'s' if len(shared) > 1 else ''} of the test split "
                f"({_some(shared)}) {'are' if len(shared) > 1 else 'is'} in the validation split, "
                "too, so a threshold chosen there would flatter the test; part them with "
                "split.crossing, or set compare.sensitivity=null"
            )
    asked, elsewhere = set(test.prompts), set(other.prompts)
    # Where the prompt depends on the record, that of one split says nothing about the other's.
    if len(test) > 1 and len(asked) == 1 and elsewhere - asked:
        differing = other.ids[other.prompts != test.prompts[0]]
        raise VerdictError(
            f"{len(differing)} of {len(other)} validation records have another prompt than the "
            f"test records ({_some(differing)}), so a threshold chosen on them says nothing about "
            "the test; `dvc repro` asks the same on both"
        )


def _asked(predictions: Predictions) -> str:
    if predictions.free_text:
        return "free text"
    return f"{', '.join(predictions.labels)} (positive: {predictions.positive})"


def _some(ids: Sequence[str] | np.ndarray, shown: int = 3) -> str:
    return ", ".join(ids[:shown]) + (", …" if len(ids) > shown else "")
