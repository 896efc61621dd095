"""A bootstrap over groups: whole patients are drawn again, never single records.

Records of one patient resemble each other. Drawing records one by one would count each as new
evidence and give intervals that are too narrow (Field & Welsh 2007, J. R. Stat. Soc. B 69:369).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np

#: Metrics of many resamples: name → array (resamples), NaN where undefined.
Resampled = dict[str, np.ndarray]

#: What numbers that are no whole ones are rounded to before they are summed.
QUANTUM = 2.0**-36

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


def sum_by_group(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums (groups, …) of the values (n, …) of each group, as ``summable`` numbers.

    ``groups`` are codes (n), from 0 on without gaps.
    """
    sums = np.zeros((int(groups.max()) + 1 if len(groups) else 0, *values.shape[1:]))
    np.add.at(sums, groups, values)
    return summable(sums)


def summable(values: np.ndarray) -> np.ndarray:
    """Round to multiples of a power of two, so that sums of them do not depend on their order.

    Else the last bits of a weighted sum would differ with the processor and the chunk. Exact up to
    sums of 2¹⁷; whole numbers stay what they are.
    """
    return np.round(values / QUANTUM) * QUANTUM
