"""Metrics of one model's predictions, by scikit-learn; and what no model at all would reach."""

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

from verdict.predictions import Predictions
from verdict.statistics.counts import (
    accuracy_metrics,
    binary_metrics,
    matthews_correlation,
    multiclass_metrics,
)
from verdict.statistics.formats import rounded

#: Metrics of the likeliest label and its score; with two labels, and with more.
BINARY_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "auroc",
    "average_precision",
)
MULTICLASS_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "weighted_f1",
    "mcc",
    "macro_auroc",
)

#: Metrics of the generated answer; ``agreement`` is the share that says the likeliest label.
GENERATION_METRICS = (
    "invalid_rate",
    "generated_accuracy",
    "generated_balanced_accuracy",
    "agreement",
)


def metric_names(predictions: Predictions) -> tuple[str, ...]:
    """Return the names of the metrics that apply to these labels."""
    return (BINARY_METRICS if predictions.binary else MULTICLASS_METRICS) + GENERATION_METRICS


def classification_metrics(predictions: Predictions) -> dict[str, float | int | None]:
    """Return the metrics of one model, flat, rounded to six decimals.

    ``accuracy`` to ``average_precision`` rate the likeliest label and its score; the
    ``generated_`` ones rate the generated answer, where one that cannot be parsed is wrong.
    Precision, recall, specificity, F1 and the ranking metrics are of the positive label of two;
    with more labels there are averages over labels instead. What is undefined (0/0, one label
    only, no records) is None; Matthews' correlation of constant answers is 0.
    """
    sizes: dict[str, float | int | None] = {"n": len(predictions)}
    if predictions.binary:
        sizes["positives"] = int((predictions.actual == predictions.positive_code).sum())
    names = metric_names(predictions)
    if len(predictions) == 0:
        return sizes | dict.fromkeys(names)
    values = _shared_metrics(predictions)
    values |= _binary_metrics(predictions) if predictions.binary else _multiclass(predictions)
    return sizes | {name: rounded(values[name]) for name in names}


def confusion_rows(predictions: Predictions) -> Iterator[tuple[str, str]]:
    """Yield (actual, predicted) labels, record by record, for DVC's ``confusion`` template."""
    columns = (predictions.table[name].to_pylist() for name in ("label", "predicted"))
    yield from zip(*columns, strict=True)


def confusion_matrix(predictions: Predictions) -> np.ndarray:
    """Return counts (labels, labels): true labels in rows, likeliest labels in columns."""
    size = len(predictions.labels)
    cell = predictions.actual * size + predictions.predicted
    return np.bincount(cell, minlength=size * size).reshape(size, size)


def baseline_metrics(predictions: Predictions) -> dict[str, dict[str, float | None]]:
    """Return what needs no model: metrics of ``majority`` and of ``prior``.

    ``majority`` always answers the commonest label of these records; ``prior`` guesses labels by
    their shares, and its metrics are those of the expected confusion counts. Neither ranks
    records, so its AUROC is 0.5 where that is defined.
    """
    shares = label_counts(predictions)
    majority = np.zeros_like(shares)
    if len(predictions):
        majority[majority_code(predictions)] = 1
        shares = shares / shares.sum()
    return {
        "majority": _answers_by(majority, predictions),
        "prior": _answers_by(shares, predictions),
    }


def majority_code(predictions: Predictions) -> int:
    """Return the code of the commonest true label, the first one of equals."""
    return int(np.argmax(label_counts(predictions)))


def label_counts(predictions: Predictions) -> np.ndarray:
    """Return how many records (labels) have each true label."""
    return np.bincount(predictions.actual, minlength=len(predictions.labels))


def _shared_metrics(predictions: Predictions) -> dict[str, float]:
    actual, predicted, parsed = predictions.actual, predictions.predicted, predictions.parsed
    several = len(np.unique(actual)) > 1
    return {
        "accuracy": accuracy_score(actual, predicted),
        "balanced_accuracy": _balanced_accuracy(actual, predicted),
        "mcc": matthews_corrcoef(actual, predicted) if several else np.nan,
        "invalid_rate": float((parsed < 0).mean()),
        "generated_accuracy": accuracy_score(actual, parsed),
        "generated_balanced_accuracy": _balanced_accuracy(actual, parsed),
        "agreement": accuracy_score(predicted, parsed),
    }


def _balanced_accuracy(actual: np.ndarray, predicted: np.ndarray) -> float:
    present = np.unique(actual)
    if len(present) < 2:
        return np.nan
    return recall_score(actual, predicted, labels=present, average="macro", zero_division=0)


def _binary_metrics(predictions: Predictions) -> dict[str, float]:
    positive = predictions.actual == predictions.positive_code
    called = predictions.predicted == predictions.positive_code
    score = predictions.scores[:, predictions.positive_code]
    precision, recall, f1, _ = precision_recall_fscore_support(
        positive, called, labels=[False, True], average=None, zero_division=np.nan
    )
    both = 0 < positive.sum() < len(positive)
    return {
        "precision": precision[1],
        "recall": recall[1],
        "specificity": recall[0],
        "f1": f1[1],
        "auroc": roc_auc_score(positive, score) if both else np.nan,
        "average_precision": average_precision_score(positive, score) if both else np.nan,
    }


def _multiclass(predictions: Predictions) -> dict[str, float]:
    actual, predicted = predictions.actual, predictions.predicted
    present = np.unique(actual)
    several = len(present) > 1
    one_against_rest = actual[:, None] == present
    return {
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro", zero_division=0)
        if several
        else np.nan,
        "weighted_f1": f1_score(actual, predicted, average="weighted", zero_division=0),
        "macro_auroc": roc_auc_score(one_against_rest, predictions.scores[:, present])
        if several
        else np.nan,
    }


def _answers_by(shares: np.ndarray, predictions: Predictions) -> dict[str, float | None]:
    """Return metrics of answers that are drawn by ``shares`` (labels), whatever the record."""
    counts = np.zeros((len(shares), len(shares) + 1))
    counts[:, :-1] = np.outer(label_counts(predictions), shares)
    present = label_counts(predictions) > 0
    values = accuracy_metrics(counts, present)
    if predictions.binary:
        values |= binary_metrics(counts, predictions.positive_code)
    else:
        values |= multiclass_metrics(counts, present)
    values["mcc"] = matthews_correlation(counts)
    numbers = {name: rounded(float(value)) for name, value in values.items()}
    auroc = "auroc" if predictions.binary else "macro_auroc"
    return numbers | {auroc: 0.5 if present.sum() > 1 else None}
