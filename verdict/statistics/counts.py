"""Metrics as functions of confusion counts, for one table or for many resamples at once.

``counts`` are whole or expected numbers (…, labels, labels + 1): a row for each true label, a
column for each answer, the last one for what cannot be read. Metrics are arrays (…), NaN where they
are undefined: 0/0, or a label that a mean over labels needs is not in the data or in this resample.
"""

from dataclasses import dataclass

import numpy as np

#: Metrics of many resamples: name → array (resamples), NaN where undefined.
Resampled = dict[str, np.ndarray]

#: What numbers that are no whole ones are rounded to before they are summed.
QUANTUM = 2.0**-36


@dataclass(frozen=True)
class Confusion:
    """Counts (actual, predicted): a row for each true answer, a column for each given one."""

    actual: tuple[str, ...]
    predicted: tuple[str, ...]
    counts: np.ndarray


def count_answers(
    actual: np.ndarray, predicted: np.ndarray, rows: tuple[str, ...], columns: tuple[str, ...]
) -> Confusion:
    """Count pairs of codes (n) in ``rows`` and ``columns``."""
    size = (len(rows), len(columns))
    cells = np.bincount(actual * size[1] + predicted, minlength=size[0] * size[1])
    return Confusion(rows, columns, cells.reshape(size))


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


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share of right answers; an invalid one is wrong."""
    return ratio(_right(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def balanced_accuracy(counts: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the mean recall of the labels that the data hold, bool (labels), as scikit-learn has.

    Undefined with fewer than two of them, or where none of a label's records was drawn.
    """
    if present.sum() < 2:
        return np.full(counts.shape[:-2], np.nan)
    return mean_over_labels(ratio(_right(counts), counts.sum(axis=-1))[..., present])


def precision(counts: np.ndarray, positive: int) -> np.ndarray:
    """Return the share of records called ``positive``, one of two labels, that are."""
    return ratio(counts[..., positive, positive], counts[..., :, positive].sum(axis=-1))


def recall(counts: np.ndarray, label: int) -> np.ndarray:
    """Return the share of a label's records that are called so; an invalid answer is wrong.

    Of the positive label of two it is the sensitivity, of the other the specificity.
    """
    return ratio(counts[..., label, label], counts[..., label, :].sum(axis=-1))


def f1(counts: np.ndarray) -> np.ndarray:
    """Return the F1 (…, labels) of each label, without invalid answers."""
    return ratio(2 * _right(counts), counts.sum(axis=-1) + counts.sum(axis=-2)[..., :-1])


def macro_f1(counts: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the labels that the data hold, bool (labels); as balanced accuracy."""
    if present.sum() < 2:
        return np.full(counts.shape[:-2], np.nan)
    drawn = (counts.sum(axis=-1)[..., present] > 0).all(axis=-1)
    return np.where(drawn, mean_over_labels(np.nan_to_num(f1(counts))[..., present]), np.nan)


def weighted_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the labels, weighted by their records."""
    actual = counts.sum(axis=-1)
    return ratio(_added(np.nan_to_num(f1(counts)) * actual), actual.sum(axis=-1))


def matthews_correlation(counts: np.ndarray) -> np.ndarray:
    """Return Matthews' correlation of actual and predicted labels (Gorodkin 2004).

    Without invalid answers. 0 where every answer is the same, as in scikit-learn; undefined where
    every true label is.
    """
    square = counts[..., :-1]
    actual, predicted = square.sum(axis=-1), square.sum(axis=-2)
    correct = _right(counts).sum(axis=-1)
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


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient (…) of arrays (…); NaN where the denominator is 0."""
    out = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)


def sum_by_cell(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums (cells, …) of the values (n, …) of each cell, as ``summable`` numbers.

    ``cells`` are codes (n), from 0 on without gaps.
    """
    sums = np.zeros((int(cells.max()) + 1 if len(cells) else 0, *values.shape[1:]))
    np.add.at(sums, cells, values)
    return summable(sums)


def summable(values: np.ndarray) -> np.ndarray:
    """Round to multiples of a power of two, so that sums of them do not depend on their order.

    Else the last bits of a weighted sum would differ with the processor and the chunk. Exact up to
    sums of 2¹⁷; whole numbers stay what they are.
    """
    return np.round(values / QUANTUM) * QUANTUM


def _right(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _added(values: np.ndarray) -> np.ndarray:
    """Add up the last axis in its order; that of ``sum`` depends on how large the chunk is."""
    return np.cumsum(values, axis=-1)[..., -1]
