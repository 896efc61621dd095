"""A synthetic archive of pairs in the published layout, so that the pipeline runs offline.

The people are made up. As in the published data every pair of records of one person is there,
the other pairs are of two people at random or of two that are easily confused, and the splits are
by pair: the same person is in several of them.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.tasks.entity_resolution.archive.layout import FILES, MESSAGES, QUESTION
from verdict.tasks.entity_resolution.archive.options import Embedded
from verdict.tasks.entity_resolution.archive.population import Pair, make_pairs

#: Published splits and their shares.
_SHARES = (("train", 0.70), ("eval", 0.15), ("test", 0.15))


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive into ``folder``, which is made if it is not there.

    The files are those of ``abicyclerider/entity-resolution-pairs``: one Parquet file a split, each
    row a conversation.
    """
    destination = folder / FILES["pairs"]
    destination.mkdir(parents=True, exist_ok=True)
    pairs, start, share = make_pairs(options), 0, 0.0
    for split, own in _SHARES:
        share += own
        end = round(share * len(pairs))
        path = destination / f"{split}-00000-of-00001.parquet"
        pq.write_table(_as_table(pairs[start:end]), path)
        start = end


def _as_table(pairs: Sequence[Pair]) -> pa.Table:
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    messages = [
        [
            {"role": "user", "content": QUESTION.format(left=pair.left, right=pair.right)},
            {"role": "assistant", "content": str(pair.match)},
        ]
        for pair in pairs
    ]
    return pa.table({MESSAGES: pa.array(messages, pa.list_(message))})
