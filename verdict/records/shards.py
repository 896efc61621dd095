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

#: Of a data set whose records have several images: those after the first, and their hashes.
_FURTHER_FEATURES = {
    "further_images": {"_type": "List", "feature": {"_type": "Image"}},
    "further_sha256": {"_type": "List", "feature": {"dtype": "string", "_type": "Value"}},
}
_SEVERAL = pa.schema(
    [
        *SCHEMA,
        pa.field("further_images", pa.list_(SCHEMA.field("image").type)),
        pa.field("further_sha256", pa.list_(pa.string())),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES | _FURTHER_FEATURES}})},
)


@dataclass(frozen=True)
class Record:
    """A canonical record without its pixels.

    ``sha256`` is that of the first source image's bytes (of the text, where there is no image),
    ``further_sha256`` those of the other images'; ``row`` the position in the published table, from
    0. The others are as in :class:`verdict.records.raw.RawRow`.
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
    further_sha256: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many images it has."""
        return int(self.has_image) + len(self.further_sha256)

    @property
    def sources(self) -> tuple[str, ...]:
        """The hashes of all that it is of: each of its images, or its text."""
        return self.further_sha256 if self.sha256 is None else (self.sha256, *self.further_sha256)

    @property
    def groups(self) -> tuple[str, ...]:
        """Its group, and the second one where it links two."""
        if self.other_group is None or self.other_group == self.group:
            return (self.group,)
        return (self.group, self.other_group)


def write_shard(path: Path, rows: Iterable[dict[str, Any]], *, several: bool = False) -> None:
    """Write rows (as dicts by column) to one Parquet file, holding one row group in memory.

    Args:
        several: whether any record of the data set has several images.
    """
    schema = _SEVERAL if several else SCHEMA
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        group: list[dict[str, Any]] = []
        for row in rows:
            group.append(row)
            if len(group) == ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group.clear()
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema))


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
            file = pq.ParquetFile(path)
            further = ["further_sha256"] if _has_several(file) else []
            rows = file.read(columns=[*columns, *further]).to_pylist()
            records += [_record(row) for row in rows]
    return sorted(records, key=lambda record: record.id)


def _record(row: dict[str, Any]) -> Record:
    has_image = row.pop("image") is not None
    further = tuple(row.pop("further_sha256", ()))
    attributes = json.loads(row.pop("attributes"))
    return Record(**row, attributes=attributes, has_image=has_image, further_sha256=further)


def _has_several(file: pq.ParquetFile) -> bool:
    return "further_images" in file.schema_arrow.names


class ImageStore:
    """Encoded images by id, read lazily from the shards of folders that share no id."""

    def __init__(self, *folders: Path):
        self._folders = folders
        #: Each shard, and the folder it is of.
        self._files: list[tuple[pq.ParquetFile, Path]] = []
        self._where: dict[str, tuple[int, int, int]] = {}
        for folder in folders:
            with self._as_written(folder):
                for path in shard_paths(folder):
                    file = pq.ParquetFile(path, memory_map=True)
                    self._where |= {
                        id_: (len(self._files), group_index, row)
                        for group_index, ids in enumerate(self._ids(file))
                        for row, id_ in enumerate(ids)
                    }
                    self._files.append((file, folder))
        # One file is read by one thread at a time; what was read, any may have.
        self._reading = Lock()
        self._images = lru_cache(_RECENT_GROUPS)(self._read_images)

    def __reduce__(self) -> tuple[type["ImageStore"], tuple[Path, ...]]:
        # A data loader's worker opens the shards for itself.
        return ImageStore, self._folders

    @staticmethod
    def _ids(file: pq.ParquetFile) -> Iterator[list[str]]:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=["id"])["id"].to_pylist()

    def __getitem__(self, id_: str) -> bytes:
        """Return a record's image, the first if it has several."""
        return self.all(id_)[0]

    def all(self, id_: str) -> list[bytes]:
        """Return the images of a record, in their order."""
        try:
            file_index, group_index, row = self._where[id_]
        except KeyError:
            raise VerdictError(
                f"record {id_} is in no shard; run `dvc repro` so that conversations and records "
                "agree"
            ) from None
        with self._as_written(self._files[file_index][1]):
            images = self._images(file_index, group_index)
            if not images["image"][row].is_valid:
                return []
            further = images["further_images"][row] if len(images.column_names) > 1 else ()
            return [image["bytes"].as_py() for image in (images["image"][row], *further)]

    @staticmethod
    def _as_written(folder: Path) -> AbstractContextManager[None]:
        return as_written(folder, "extract")

    def _read_images(self, file_index: int, group_index: int) -> pa.Table:
        file, _ = self._files[file_index]
        columns = ["image", *(["further_images"] if _has_several(file) else [])]
        with self._reading:
            return file.read_row_group(group_index, columns=columns)
