"""Metrics of one model's predicted labels, by scikit-learn."""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from verdict.predictions import Predictions
from verdict.statistics.calibration import calibration_metrics
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import kind_of


def classification_metrics(predictions: Predictions) -> dict[str, float | int | None]:
    """Return the metrics of one model, flat, rounded to six decimals.

    All but the ``generated_`` ones rate the likeliest label and the probabilities; these rate the
    generated answer, where one that cannot be parsed is wrong. Precision, recall, specificity,
    ``f1`` and the ranking metrics are of the positive label of two; with more labels there are
    averages over labels instead. ``group_accuracy`` is the mean over cells (groups, and pairs of
    groups that records link) of the share of a cell's records that are right: of two linked
    entities neither is right or wrong by itself. Brier score and calibration error:
    ``calibration_metrics``. What is undefined (0/0, one label only, no records) is None; Matthews'
    correlation of constant answers is 0.
    """
    sizes: dict[str, float | int | None] = {"n": len(predictions)}
    if predictions.binary:
        sizes["positives"] = int((predictions.actual == predictions.positive_code).sum())
    names = kind_of(predictions).metrics
    if len(predictions) == 0:
        return sizes | dict.fromkeys(names)
    values = _shared_metrics(predictions)
    values |= _binary_metrics(predictions) if predictions.binary else _multiclass(predictions)
    values |= calibration_metrics(
        predictions.actual,
        predictions.probabilities,
        predictions.positive_code if predictions.binary else None,
    )
    return sizes | {name: rounded(values[name]) for name in names}


def cell_mean(cells: np.ndarray, values: np.ndarray) -> float:
    """Return the mean over cells of the mean of their values.

    Of right answers over patients, it is the "patient recognition rate" (Spanhol et al. 2016).

    Args:
        cells: codes (n), from 0 on without gaps; one at least.
        values: numbers (n).
    """
    return float((np.bincount(cells, weights=values) / np.bincount(cells)).mean())


def among_top_2(predictions: Predictions) -> np.ndarray:
    """Return bool (n): whether the true label is one of the two likeliest.

    Of equally likely labels the first ones win, as in ``predicted``.
    """
    values, actual = predictions.log_probabilities, predictions.actual
    own = np.take_along_axis(values, actual[:, None], axis=1)
    earlier = np.arange(values.shape[1]) < actual[:, None]
    return ((values > own) | ((values == own) & earlier)).sum(axis=1) < 2


def _shared_metrics(predictions: Predictions) -> dict[str, float]:
    actual, predicted, parsed = predictions.actual, predictions.predicted, predictions.parsed
    present = np.unique(actual)
    several = len(present) > 1
    return {
        "accuracy": accuracy_score(actual, predicted),
        "group_accuracy": cell_mean(predictions.cell_codes, actual == predicted),
        "balanced_accuracy": _balanced_accuracy(actual, predicted),
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro", zero_division=0)
        if several
        else np.nan,
        "weighted_f1": f1_score(actual, predicted, average="weighted", zero_division=0),
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
    actual, last = predictions.actual, len(predictions.labels) - 1
    present = np.unique(actual)
    several = len(present) > 1
    one_against_rest, scores = actual[:, None] == present, predictions.scores[:, present]
    return {
        # Counted from the last label: of equals scikit-learn takes the last one, we the first.
        "top_2_accuracy": top_k_accuracy_score(
            last - actual, predictions.log_probabilities[:, ::-1], k=2, labels=np.arange(last + 1)
        ),
        "macro_auroc": roc_auc_score(one_against_rest, scores) if several else np.nan,
        "macro_average_precision": average_precision_score(one_against_rest, scores)
        if several
        else np.nan,
    }
