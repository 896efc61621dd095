"""Merge labels: eight classes of a tumour become benign and malignant, without another model."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import logsumexp

from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions


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
