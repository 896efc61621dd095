"""Canonical records in Parquet shards: the schema, writing, and reading with or without pixels."""

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.core.errors import VerdictError
from verdict.core.files import as_written

#: Records a row group: small enough that reading one image touches little else.
ROW_GROUP = 32
#: Row groups whose images a store keeps, since neighbours are mostly asked for together: of
#: 512-pixel images some 2.4 MB each.
_RECENT_GROUPS = 8

#: How ``datasets`` and the hub's viewer shall understand the columns.
_FEATURES = {
    "id": {"dtype": "string", "_type": "Value"},
    "group": {"dtype": "string", "_type": "Value"},
    "other_group": {"dtype": "string", "_type": "Value"},
    "image": {"_type": "Image"},
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"dtype": "string", "_type": "Value"},
    "answer": {"dtype": "string", "_type": "Value"},
    "split": {"dtype": "string", "_type": "Value"},
    "attributes": {"dtype": "string", "_type": "Value"},
    "sha256": {"dtype": "string", "_type": "Value"},
    "row": {"dtype": "int32", "_type": "Value"},
}

#: ``attributes`` is a JSON object: neither ``datasets`` nor the hub's viewer reads Parquet maps.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("other_group", pa.string()),
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("text", pa.string()),
        pa.field("label", pa.string()),
        pa.field("answer", pa.string()),
        pa.field("split", pa.string()),
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("row", pa.int32(), nullable=False),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


@dataclass(frozen=True)
class Record:
    """A canonical record without its pixels.

    ``sha256`` is that of the source image's bytes (of the text, where there is no image); ``row``
    the position in the published table, from 0. The others are as in
    :class:`verdict.records.raw.RawRow`.
    """

    id: str
    group: str
    label: str | None
    text: str | None
    answer: str | None
    split: str | None
    attributes: dict[str, str]
    sha256: str | None
    row: int
    other_group: str | None = None
    has_image: bool = True

    @property
    def groups(self) -> tuple[str, ...]:
        """Its group, and the second one where it links two."""
        if self.other_group is None or self.other_group == self.group:
            return (self.group,)
        return (self.group, self.other_group)


def write_shard(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows (as dicts by column) to one Parquet file, holding one row group in memory."""
    with pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=False) as writer:
        group: list[dict[str, Any]] = []
        for row in rows:
            group.append(row)
            if len(group) == ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of a records folder, sorted.

    Raises:
        VerdictError: there are none.
    """
    paths = sorted(folder.glob("shard-*.parquet"))
    if not paths:
        raise VerdictError(f"{folder} holds no shards; run `dvc repro extract` or `dvc pull` first")
    return paths


def read_records(folder: Path) -> list[Record]:
    """Return all records of a folder, sorted by id, without reading their pixels.

    Raises:
        VerdictError: there are none, or a shard is damaged.
    """
    # Of the image only the path, which is always null: whether there is one, but no pixels.
    columns = [name if name != "image" else "image.path" for name in SCHEMA.names]
    records: list[Record] = []
    for path in shard_paths(folder):
        with as_written(path, "extract"):
            rows = pq.ParquetFile(path).read(columns=columns).to_pylist()
            records += [_record(row) for row in rows]
    return sorted(records, key=lambda record: record.id)


def _record(row: dict[str, Any]) -> Record:
    has_image = row.pop("image") is not None
    return Record(**{**row, "attributes": json.loads(row["attributes"])}, has_image=has_image)


class ImageStore:
    """Encoded images by id, read lazily from the shards of a folder."""

    def __init__(self, folder: Path):
        self._folder = folder
        with self._as_written():
            self._files = [pq.ParquetFile(path, memory_map=True) for path in shard_paths(folder)]
        # One file is read by one thread at a time; what was read, any may have.
        self._reading = Lock()
        self._images = lru_cache(_RECENT_GROUPS)(self._read_images)
        with self._as_written():
            self._where = {
                id_: (file_index, group_index, row)
                for file_index, file in enumerate(self._files)
                for group_index, ids in enumerate(self._ids(file))
                for row, id_ in enumerate(ids)
            }

    def __reduce__(self) -> tuple[type["ImageStore"], tuple[Path]]:
        # A data loader's worker opens the shards for itself.
        return ImageStore, (self._folder,)

    @staticmethod
    def _ids(file: pq.ParquetFile) -> Iterator[list[str]]:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=["id"])["id"].to_pylist()

    def __getitem__(self, id_: str) -> bytes:
        try:
            file_index, group_index, row = self._where[id_]
        except KeyError:
            raise VerdictError(
                f"record {id_} is in no shard; run `dvc repro` so that conversations and records "
                "agree"
            ) from None
        with self._as_written():
            return self._images(file_index, group_index)[row]["bytes"].as_py()

    def _as_written(self) -> AbstractContextManager[None]:
        return as_written(self._folder, "extract")

    def _read_images(self, file_index: int, group_index: int) -> pa.ChunkedArray:
        with self._reading:
            table = self._files[file_index].read_row_group(group_index, columns=["image"])
        return table["image"]
