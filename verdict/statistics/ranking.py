"""AUROC and average precision under record weights, for many resamples at once."""

import numpy as np
from scipy.sparse import csr_array

from verdict.statistics.bootstrap import summable


class Ranking:
    """Records ordered once by their score, to be re-weighted cell by cell.

    Both metrics need only the thresholds at which there is a positive record, and how many negative
    records lie between each two of them. So records are counted once by cell and threshold, and a
    resample is a product of that sparse table and its weights.

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        positive: bool (n): whether the record is of the positive label.
        scores: (n), the larger the more positive; equal ones are ties.
    """

    def __init__(self, cells: np.ndarray, positive: np.ndarray, scores: np.ndarray):
        size = int(cells.max()) + 1 if len(cells) else 0
        thresholds, at = np.unique(scores[positive], return_inverse=True)
        others, negative_cells = scores[~positive], cells[~positive]
        above = np.searchsorted(thresholds, others, side="right")
        tied = above > np.searchsorted(thresholds, others, side="left")
        self._positives = _counted(at, cells[positive], (len(thresholds), size))
        # Row i: above threshold i - 1 or equal to it, and below threshold i.
        self._negatives = _counted(above, negative_cells, (len(thresholds) + 1, size))
        self._tied = _counted(above[tied] - 1, negative_cells[tied], (len(thresholds), size))

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return AUROC and average precision, as scikit-learn defines them.

        Args:
            weights: (resamples, cells), how often each cell was drawn.

        Returns:
            Arrays (resamples); NaN where a resample holds one label only.
        """
        drawn = np.ascontiguousarray(weights.T)
        positive, tied = self._positives @ drawn, self._tied @ drawn  # (thresholds, resamples)
        below = np.cumsum(self._negatives @ drawn, axis=0)
        positives, negatives = positive.sum(axis=0), below[-1]
        below = below[:-1]
        # At a threshold: what is called positive, and is or is not.
        called_positives = np.cumsum(positive[::-1], axis=0)[::-1]
        called = called_positives + (negatives - below)
        # Where nothing is called positive there is no precision; it counts for nothing.
        precision = np.divide(called_positives, called, out=np.zeros_like(called), where=called > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # A positive record wins against every negative one below it, and half of each tie.
            auroc = (positive * (2 * below + tied)).sum(axis=0) / (2 * positives * negatives)
            average_precision = (positive * summable(precision)).sum(axis=0) / positives
        one_label = (positives == 0) | (negatives == 0)
        return {
            "auroc": np.where(one_label, np.nan, auroc),
            "average_precision": np.where(one_label, np.nan, average_precision),
        }


def _counted(rows: np.ndarray, cells: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Count pairs of codes (n). Whole numbers, so that products with them are exact."""
    return csr_array((np.ones(len(rows)), (rows, cells)), shape=shape)
