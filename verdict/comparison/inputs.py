"""What is compared: models that were asked the same about the same records, and merged labels."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.special import logsumexp

from verdict.comparison.results import MINUS, RESERVED
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions


def check_roles(
    models: Sequence[str],
    baseline: str,
    candidate: str,
    replicates: Sequence[str],
    trained: Collection[str],
) -> None:
    """Check which of the models is compared with which.

    Args:
        models: all names, also of the ``trained`` baselines, which are no models.

    Raises:
        VerdictError: a name means something else, the baseline, the candidate or a replicate is
            missing, or one of them is another of them.
    """
    known = ", ".join(models)
    named = [("baseline", baseline), ("candidate", candidate)]
    named += [("replicate", name) for name in replicates]
    for role, name in named:
        if name not in models:
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
    for role, name in named:
        if name in trained:
            raise VerdictError(f"{name} is the {role}, but no model: rename it in baselines")
    for name in models:
        if name in RESERVED or MINUS in name or "." in name:
            what, where = "model", "evaluate.models"
            if name in trained:
                what, where = "baseline", "baselines"
            raise VerdictError(
                f"a {what} cannot be called {name}: {', '.join(RESERVED)}, '.' and '{MINUS}' have "
                f"a meaning in metrics/compare.json; rename it in {where}"
            )


def by_model(predictions: Sequence[Predictions]) -> dict[str, Predictions]:
    """Return the predictions by their models' names.

    Raises:
        VerdictError: two have one name.
    """
    named = {p.model: p for p in predictions}
    if len(named) < len(predictions):
        raise VerdictError(f"two predictions have the same model name; they are {', '.join(named)}")
    return named


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
    _check_apart(test, other)
    asked, elsewhere = set(test.prompts), set(other.prompts)
    # Where the prompt depends on the record, that of one split says nothing about the other's.
    if len(test) > 1 and len(asked) == 1 and elsewhere - asked:
        differing = other.ids[other.prompts != test.prompts[0]]
        raise VerdictError(
            f"{len(differing)} of {len(other)} validation records have another prompt than the "
            f"test records ({_some(differing)}), so a threshold chosen on them says nothing about "
            "the test; `dvc repro` asks the same on both"
        )


def _check_apart(test: Predictions, other: Predictions) -> None:
    """Check that no record or group is in both splits."""
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


def merge_labels(
    predictions: Predictions, merge: Mapping[str, Sequence[str]], positive: str | None
) -> Predictions:
    """Return the same predictions with merged labels.

    The probability of a new label is the sum of those of its old ones, so its log-probability is
    their logsumexp, and ``predicted`` is the likeliest new label. That need not be the one which
    the likeliest old label belongs to. ``parsed`` is that of the old label.

    Args:
        predictions: of a task with labels.
        merge: for each new label the old ones that it stands for.
        positive: the positive one of two new labels; else None.

    Raises:
        VerdictError: free text, or an old label that is in no list or in several, or unknown.
    """
    if predictions.free_text:
        raise VerdictError("compare.merge is about labels, but this task is free text; set it {}")
    merged = [label for labels in merge.values() for label in labels]
    wrong = {
        "is in no list": [label for label in predictions.labels if label not in merged],
        "is in several lists": sorted({label for label in merged if merged.count(label) > 1}),
        "is no label": [label for label in merged if label not in predictions.labels],
    }
    for problem, labels in wrong.items():
        if labels:
            raise VerdictError(
                f"compare.merge: {labels[0]} {problem}; every one of "
                f"{', '.join(predictions.labels)} has to be in exactly one"
            )
    new = {old: name for name, labels in merge.items() for old in labels}
    codes = [[predictions.labels.index(old) for old in labels] for labels in merge.values()]
    values = [logsumexp(predictions.log_probabilities[:, i], axis=1) for i in codes]
    rows = [
        row
        | {
            "label": new[row["label"]],
            "parsed": new.get(row["parsed"]),
            "log_probabilities": log_probabilities.tolist(),
        }
        for row, log_probabilities in zip(
            predictions.table.to_pylist(), np.stack(values, axis=1), strict=True
        )
    ]
    return make_predictions(
        predictions.model, tuple(merge), positive, rows, predictions.length_normalization
    )


def _asked(predictions: Predictions) -> str:
    if predictions.free_text:
        return "free text"
    return f"{', '.join(predictions.labels)} (positive: {predictions.positive})"


def _some(ids: Sequence[str] | np.ndarray, shown: int = 3) -> str:
    return ", ".join(ids[:shown]) + (", …" if len(ids) > shown else "")
