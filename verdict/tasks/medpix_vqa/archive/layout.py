"""The published files of MedPix-VQA, and how to write files like them."""

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Split = Literal["train", "validation", "test"]

#: The folder of each split, by its key in ``fetch.files``: Parquet files named
#: ``train-00000-of-00005.parquet`` and so on. MedPix-VQA has no test split, others have.
FILES: dict[Split, str] = {"train": "train/", "validation": "validation/", "test": "test/"}
OPTIONAL = frozenset({"validation", "test"})

#: The column of images, whatever its name says: ``{bytes, path}``.
IMAGE = "image_id"
TEXTS = ("mode", "case_id", "question", "answer")
COLUMNS = (IMAGE, *TEXTS)

#: Rows a file, and a row group as ``datasets`` writes them where there are images.
ROWS_A_FILE, ROW_GROUP = 4000, 100

#: How ``datasets`` and the hub's viewer understand the columns.
_FEATURES: dict[str, Any] = {IMAGE: {"_type": "Image"}} | {
    name: {"dtype": "string", "_type": "Value"} for name in TEXTS
}
SCHEMA = pa.schema(
    [
        pa.field(IMAGE, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        *(pa.field(name, pa.string()) for name in TEXTS),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def write_split(
    folder: Path,
    split: Split,
    rows: Iterable[dict[str, Any]],
    count: int,
    further: Iterable[str] = (),
) -> None:
    """Write the Parquet files of one split into ``folder``, which is made if it is not there.

    The rows, dicts by column, are divided evenly and in order; one row group is held in memory.

    Args:
        count: how many there are, which the names of the files say before all are known.
        further: columns of text beside the published ones.
    """
    schema = SCHEMA
    for name in further:
        schema = schema.append(pa.field(name, pa.string()))
    folder.mkdir(parents=True, exist_ok=True)
    files = max(1, -(-count // ROWS_A_FILE))
    rest = iter(rows)
    for index in range(files):
        size = count * (index + 1) // files - count * index // files
        path = folder / f"{split}-{index:05d}-of-{files:05d}.parquet"
        own = islice(rest, size)
        with pq.ParquetWriter(path, schema) as writer:
            while group := list(islice(own, ROW_GROUP)):
                writer.write_table(pa.Table.from_pylist(group, schema))
