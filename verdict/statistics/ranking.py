"""AUROC and average precision under record weights, for many resamples at once."""

import numpy as np


class Ranking:
    """Records ordered once by their score, to be re-weighted group by group.

    Args:
        groups: group codes (n).
        positive: bool (n): whether the record is of the positive label.
        scores: (n), the larger the more positive; equal ones are ties.
    """

    def __init__(self, groups: np.ndarray, positive: np.ndarray, scores: np.ndarray):
        self._positive_groups, positive_scores = _rising(groups[positive], scores[positive])
        self._negative_groups, negative_scores = _rising(groups[~positive], scores[~positive])
        # For each positive record, how many records of either label score less, or no more.
        self._negatives_below = np.searchsorted(negative_scores, positive_scores, side="left")
        self._negatives_to = np.searchsorted(negative_scores, positive_scores, side="right")
        self._positives_below = np.searchsorted(positive_scores, positive_scores, side="left")

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return AUROC and average precision, as scikit-learn defines them.

        Args:
            weights: (resamples, groups), how often each group was drawn.

        Returns:
            Arrays (resamples); NaN where a resample holds one label only.
        """
        positive = weights[:, self._positive_groups]
        below_negative = _cumulated(weights[:, self._negative_groups])
        positives, negatives = positive.sum(axis=1), below_negative[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            # A positive record wins against every negative one below it, and half of each tie.
            wins = below_negative[:, self._negatives_below] + below_negative[:, self._negatives_to]
            auroc = (positive * wins).sum(axis=1) / (2 * positives * negatives)
            # At the threshold of a positive record: what is called positive, and is.
            called_positives = positives[:, None] - _cumulated(positive)[:, self._positives_below]
            called_negatives = negatives[:, None] - below_negative[:, self._negatives_below]
            precision = called_positives / (called_positives + called_negatives)
            # A record that was not drawn may have no precision; it counts for nothing.
            weighted = np.where(positive > 0, positive * precision, 0)
            average_precision = weighted.sum(axis=1) / positives
        one_label = (positives == 0) | (negatives == 0)
        return {
            "auroc": np.where(one_label, np.nan, auroc),
            "average_precision": np.where(one_label, np.nan, average_precision),
        }


def _rising(groups: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(scores, kind="stable")
    return groups[order], scores[order]


def _cumulated(weights: np.ndarray) -> np.ndarray:
    """Return (resamples, n + 1) sums of the first 0, 1, … n columns."""
    out = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=out[:, 1:])
    return out
