"""A bootstrap over groups: whole patients are drawn again, never single records.

Records of one patient resemble each other. Drawing records one by one would count each as new
evidence and give intervals that are too narrow (Field & Welsh 2007, J. R. Stat. Soc. B 69:369).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.classification import majority_code
from verdict.statistics.counts import (
    accuracy_metrics,
    binary_metrics,
    grouped_confusion,
    matthews_correlation,
    multiclass_metrics,
)
from verdict.statistics.ranking import Ranking

#: Metrics of many resamples: name → array (resamples), NaN where undefined.
Resampled = dict[str, np.ndarray]

#: Numbers held at once in one array of record weights: 8 MB of float64.
CHUNK_NUMBERS = 1_000_000


def group_weights(groups: int, resamples: int, seed: int, chunk: int) -> Iterator[np.ndarray]:
    """Yield arrays (up to ``chunk``, groups): how often each group was drawn in each resample.

    ``groups`` groups are drawn with replacement, so a row is multinomial and sums to ``groups``.
    They are counted from drawn integers, not from ``Generator.multinomial``, whose logarithms
    differ between processors; so the weights are the same on every machine, and for every chunk.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = generator.integers(0, groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        counted = np.bincount(drawn.ravel(), minlength=rows * groups)
        yield counted.reshape(rows, groups).astype(np.float64)


def bootstrap(
    statistics: Mapping[str, Callable[[np.ndarray], Resampled]],
    *,
    groups: int,
    records: int,
    resamples: int,
    seed: int,
) -> dict[str, Resampled]:
    """Evaluate the statistics of several models on the same resamples.

    Args:
        statistics: for each model, a function of weights (resamples, groups).
        groups: how many groups there are.
        records: how many records there are; with ``groups``, it bounds the memory of a chunk.
        resamples: how often to draw.
        seed: of the random draws.

    Returns:
        For each model and metric an array (resamples). Since all models share the weights, arrays
        of two models subtract to paired differences. Without groups, every array is empty.
    """
    if groups == 0:
        return {name: defaultdict(lambda: np.zeros(0)) for name in statistics}
    chunk = max(1, CHUNK_NUMBERS // max(groups, records))
    parts: dict[str, list[Resampled]] = {name: [] for name in statistics}
    for weights in group_weights(groups, resamples, seed, chunk):
        for name, statistic in statistics.items():
            parts[name].append(statistic(weights))
    return {
        name: {metric: np.concatenate([part[metric] for part in chunks]) for metric in chunks[0]}
        for name, chunks in parts.items()
    }


class ModelStatistics:
    """All metrics of one model's predictions as a function of group weights."""

    def __init__(self, predictions: Predictions, groups: np.ndarray):
        """Count once what the weights will multiply; ``groups`` are codes (n)."""
        labels = len(predictions.labels)
        actual, predicted, parsed = predictions.actual, predictions.predicted, predictions.parsed
        self._predictions = predictions
        self._present = np.isin(np.arange(labels), actual)
        self._scored = grouped_confusion(groups, actual, predicted, labels)
        self._generated = grouped_confusion(groups, actual, parsed, labels)
        self._size = np.bincount(groups)
        self._invalid = np.bincount(groups, weights=parsed < 0)
        self._agreeing = np.bincount(groups, weights=parsed == predicted)
        codes = [predictions.positive_code] if predictions.binary else np.unique(actual)
        self._rankings = [
            Ranking(groups, actual == code, predictions.scores[:, code]) for code in codes
        ]

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return the metrics of ``metric_names`` for weights (resamples, groups)."""
        scored = _weighted(weights, self._scored)
        values = accuracy_metrics(scored, self._present)
        values["mcc"] = matthews_correlation(scored)
        if self._predictions.binary:
            values |= binary_metrics(scored, self._predictions.positive_code)
            values |= self._rankings[0].metrics(weights)
        else:
            values |= multiclass_metrics(scored, self._present)
            areas = [ranking.metrics(weights)["auroc"] for ranking in self._rankings]
            values["macro_auroc"] = np.mean(areas, axis=0)
        generated = accuracy_metrics(_weighted(weights, self._generated), self._present)
        values |= {f"generated_{name}": value for name, value in generated.items()}
        drawn = weights @ self._size
        values["invalid_rate"] = weights @ self._invalid / drawn
        values["agreement"] = weights @ self._agreeing / drawn
        return values


class MajorityStatistics:
    """Accuracy of always answering the commonest label, as a function of group weights."""

    def __init__(self, predictions: Predictions, groups: np.ndarray):
        self._size = np.bincount(groups)
        majority = predictions.actual == majority_code(predictions)
        self._majority = np.bincount(groups, weights=majority)

    def __call__(self, weights: np.ndarray) -> Resampled:
        return {"accuracy": weights @ self._majority / (weights @ self._size)}


def _weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return counts (resamples, …) of the drawn groups. Whole numbers, so exact in any order."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return (weights @ flat).reshape(len(weights), *counts.shape[1:])
