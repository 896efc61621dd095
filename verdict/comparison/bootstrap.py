"""A bootstrap over groups: whole patients are drawn again, never single records.

Records of one patient resemble each other. Drawing records one by one would count each as new
evidence and give intervals that are too narrow (Field & Welsh 2007, J. R. Stat. Soc. B 69:369).

A record may link two groups: a pair of entries, each of an entity that is in other pairs, too. Then
drawing the groups of one side alone would be too narrow in the same way, so all groups are drawn,
and a pair counts as often as one of its groups was drawn, times the other (``cell_weights``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from verdict.statistics.counts import Resampled

#: What tells the models apart.
K = TypeVar("K")

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


def cell_weights(weights: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return weights (resamples, cells) for the weights (resamples, groups) of drawn groups.

    The records of one group count as often as it was drawn. Those that link two groups count as
    often as the one times the other: the pigeonhole bootstrap (Owen 2007, Ann. Appl. Stat. 1:386),
    with both sides drawn from the same groups, as for pairs of them (Davezies, D'Haultfœuille &
    Guyonvarch 2021, Ann. Stat. 49:845). It covers the truth at least as often as it says: where
    most groups are in few pairs, more often, as what is a pair's own is then counted up to three
    times.

    Args:
        weights: as ``group_weights`` yields them.
        cells: positions (cells, 2) of the groups of each cell, as ``Predictions.cell_groups``.
    """
    first, second = cells.T
    linked = first != second
    if not linked.any():
        return weights  # The cells are the groups.
    return weights[:, first] * np.where(linked, weights[:, second], 1)


def bootstrap(
    statistics: Mapping[K, Callable[[np.ndarray], Resampled]],
    *,
    cells: np.ndarray,
    records: int,
    resamples: int,
    seed: int,
) -> dict[K, Resampled]:
    """Evaluate the statistics of several models on the same resamples.

    Args:
        statistics: for each model, a function of weights (resamples, cells).
        cells: positions (cells, 2) of the groups of each cell, as ``Predictions.cell_groups``;
            every group is in one.
        records: how many records there are; with the groups, it bounds the memory of a chunk.
        resamples: how often to draw.
        seed: of the random draws.

    Returns:
        For each model and metric an array (resamples). Since all models share the weights, arrays
        of two models subtract to paired differences. Without groups, every array is empty.
    """
    if len(cells) == 0:
        return {name: defaultdict(lambda: np.zeros(0)) for name in statistics}
    groups = int(cells.max()) + 1
    chunk = max(1, CHUNK_NUMBERS // max(groups, records))
    parts: dict[K, list[Resampled]] = {name: [] for name in statistics}
    for weights in group_weights(groups, resamples, seed, chunk):
        drawn = cell_weights(weights, cells)
        for name, statistic in statistics.items():
            parts[name].append(statistic(drawn))
    return {
        name: {metric: np.concatenate([part[metric] for part in chunks]) for metric in chunks[0]}
        for name, chunks in parts.items()
    }
