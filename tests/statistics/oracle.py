"""Metrics of one model's predicted labels, each by a call of scikit-learn: what ours have to be."""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from verdict.predictions import Predictions
from verdict.statistics.kinds import kind_of
from verdict.statistics.probabilities import bins_of, stated_probabilities


def by_scikit_learn(predictions: Predictions) -> dict[str, float]:
    """Return all metrics of one record or more; NaN where undefined."""
    values = _shared_metrics(predictions)
    values |= _binary_metrics(predictions) if predictions.binary else _multiclass(predictions)
    values |= calibration_metrics(
        predictions.actual,
        predictions.probabilities,
        predictions.positive_code if predictions.binary else None,
    )
    return {name: values[name] for name in kind_of(predictions).metrics}


def calibration_metrics(
    actual: np.ndarray, probabilities: np.ndarray, positive: int | None
) -> dict[str, float]:
    """Return the Brier score, and the calibration error of Guo et al., of one record or more."""
    stated, came_true = stated_probabilities(actual, probabilities, positive)
    excess = np.bincount(bins_of(stated), weights=came_true - stated)
    labels = np.arange(probabilities.shape[1])
    return {
        "brier": brier_score_loss(actual, probabilities, labels=labels),
        "expected_calibration_error": float(np.abs(excess).sum() / len(actual)),
    }


def _shared_metrics(predictions: Predictions) -> dict[str, float]:
    actual, predicted, parsed = predictions.actual, predictions.predicted, predictions.parsed
    present = np.unique(actual)
    several = len(present) > 1
    return {
        "accuracy": accuracy_score(actual, predicted),
        "group_accuracy": _cell_mean(predictions.cell_codes, actual == predicted),
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


def _cell_mean(cells: np.ndarray, values: np.ndarray) -> float:
    return float((np.bincount(cells, weights=values) / np.bincount(cells)).mean())
