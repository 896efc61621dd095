"""Metrics as functions of confusion counts, for one table or for many resamples at once."""

import numpy as np


def confusion_by_cell(
    cells: np.ndarray, actual: np.ndarray, predicted: np.ndarray, labels: int
) -> np.ndarray:
    """Count (actual, predicted) pairs in each cell.

    Args:
        cells: codes (n), from 0 on without gaps.
        actual: label codes (n).
        predicted: label codes (n); -1 for an invalid answer.
        labels: how many labels there are.

    Returns:
        Counts (cells, labels, labels + 1); the last column counts invalid answers.
    """
    n_cells = int(cells.max()) + 1 if len(cells) else 0
    column = np.where(predicted < 0, labels, predicted)
    place = (cells * labels + actual) * (labels + 1) + column
    size = n_cells * labels * (labels + 1)
    return np.bincount(place, minlength=size).reshape(n_cells, labels, labels + 1)


def accuracy_metrics(counts: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return accuracy and balanced accuracy; an invalid answer is wrong.

    Args:
        counts: (…, labels, labels + 1), whole or expected numbers.
        present: bool (labels): the labels that the data hold. Balanced accuracy is the mean
            recall over them, as in scikit-learn.

    Returns:
        Arrays (…). NaN where a metric is undefined: no records, or for balanced accuracy fewer
        than two labels present, or none of a present label's records in this resample.
    """
    correct = np.diagonal(counts, axis1=-2, axis2=-1)
    actual = counts.sum(axis=-1)
    recall = ratio(correct, actual)[..., present]
    return {
        "accuracy": ratio(correct.sum(axis=-1), actual.sum(axis=-1)),
        "balanced_accuracy": mean_over_labels(recall)
        if present.sum() > 1
        else np.full(counts.shape[:-2], np.nan),
    }


def binary_metrics(counts: np.ndarray, positive: int) -> dict[str, np.ndarray]:
    """Return precision, recall, specificity and F1 of the label ``positive`` of two.

    ``counts`` as for ``accuracy_metrics``, without invalid answers. NaN where undefined (0/0).
    """
    negative = 1 - positive
    true_positive = counts[..., positive, positive]
    false_positive = counts[..., negative, positive]
    false_negative = counts[..., positive, negative]
    true_negative = counts[..., negative, negative]
    return {
        "precision": ratio(true_positive, true_positive + false_positive),
        "recall": ratio(true_positive, true_positive + false_negative),
        "specificity": ratio(true_negative, true_negative + false_positive),
        "f1": ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
    }


def average_f1(counts: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the F1 of each label, averaged over the present ones and weighted by their shares.

    Arguments as for ``accuracy_metrics``, without invalid answers. The macro average is NaN where
    none of a present label's records is in the resample.
    """
    correct = np.diagonal(counts, axis1=-2, axis2=-1)
    actual, predicted = counts.sum(axis=-1), counts.sum(axis=-2)[..., :-1]
    f1 = np.nan_to_num(ratio(2 * correct, actual + predicted))
    several = present.sum() > 1
    every_label = (actual[..., present] > 0).all(axis=-1) & several
    macro = mean_over_labels(f1[..., present]) if several else np.nan
    return {
        "macro_f1": np.where(every_label, macro, np.nan),
        "weighted_f1": ratio(_added(f1 * actual), actual.sum(axis=-1)),
    }


def matthews_correlation(counts: np.ndarray) -> np.ndarray:
    """Return Matthews' correlation of actual and predicted labels (Gorodkin 2004).

    ``counts`` as for ``accuracy_metrics``, without invalid answers. 0 where every answer is the
    same, as in scikit-learn; NaN where every true label is.
    """
    square = counts[..., :-1]
    actual, predicted = square.sum(axis=-1), square.sum(axis=-2)
    correct = np.diagonal(square, axis1=-2, axis2=-1).sum(axis=-1)
    total = actual.sum(axis=-1)
    covariance = correct * total - (actual * predicted).sum(axis=-1)
    spread_actual = total**2 - (actual**2).sum(axis=-1)
    spread_predicted = total**2 - (predicted**2).sum(axis=-1)
    # Square roots first: the product of the two spreads leaves the exact range of a float.
    scale = np.sqrt(spread_actual) * np.sqrt(spread_predicted)
    correlation = np.divide(
        covariance, scale, out=np.zeros(np.shape(scale), np.float64), where=scale > 0
    )
    return np.where(spread_actual > 0, correlation, np.nan)


def mean_over_labels(values: np.ndarray) -> np.ndarray:
    """Return the mean (…) of values (…, labels), the same to the last bit for any chunk."""
    return _added(values) / values.shape[-1]


def _added(values: np.ndarray) -> np.ndarray:
    """Add up the last axis in its order; that of ``sum`` depends on how large the chunk is."""
    return np.cumsum(values, axis=-1)[..., -1]


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient (…) of arrays (…); NaN where the denominator is 0."""
    out = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
