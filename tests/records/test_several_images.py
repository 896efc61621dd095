"""Records of several images: in shards and out of them, in splits, and what is refused."""

import io
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.isic import jpeg
from tests.extraction.test_extract import OPTIONS
from tests.splitting.test_splitting import TENTHS, record, some_records
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import SCHEMA, ImageStore, read_records, shard_paths
from verdict.splitting.assignment import Division, split_records
from verdict.splitting.leakage import check_split, describe_split


class Pictures:
    """An archive of coloured squares by their names; one of them may be damaged."""

    path = Path("pictures.zip")

    def __init__(self, *names: str, damaged: str = ""):
        self._names, self._damaged = names, damaged

    def places(self) -> dict[str, str]:
        return {name: name for name in self._names}

    def open(self) -> "Pictures":
        return self

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, place: str) -> bytes:
        data = jpeg((10 * int(place[1:]), 90, 90))
        return data[:200] if place == self._damaged else data

    def digest(self) -> str:
        return "pictures"


def row(name: str, *images: str) -> RawRow:
    return RawRow(name, f"g{name}", "a", image=images[0], further_images=images[1:])


def colour(data: bytes) -> Any:
    return Image.open(io.BytesIO(data)).getpixel((32, 32))[0]  # type: ignore[index]


ROWS = [row("a", "i1", "i5", "i9"), row("b", "i2"), row("c", "i7", "i3")]
ALL = Pictures("i1", "i2", "i3", "i5", "i7", "i9")


def test_each_record_has_its_images_in_their_order(tmp_path: Path) -> None:
    table = RawTable([*ROWS, RawRow("d", "gd", "a", text="no image")], images=ALL)
    assert extract(table, OPTIONS, tmp_path / "records")["records"] == 4
    records = read_records(tmp_path / "records")
    assert [record.images for record in records] == [3, 1, 2, 0]
    assert [len(set(record.sources)) for record in records] == [3, 1, 2, 1]
    store = ImageStore(tmp_path / "records")
    seen = {name: [colour(data) for data in store.all(name)] for name in "abcd"}
    expected = {"a": [10, 50, 90], "b": [20], "c": [70, 30], "d": []}
    for name, colours in expected.items():
        assert seen[name] == pytest.approx(colours, abs=4)
    assert colour(store["c"]) == pytest.approx(70, abs=4)


def test_a_store_of_several_folders_has_the_images_of_all(tmp_path: Path) -> None:
    extract(RawTable(ROWS, images=ALL), OPTIONS, tmp_path / "own")
    there = RawTable([row("far:a", "i3"), row("far:b", "i9")], images=Pictures("i3", "i9"))
    extract(there, OPTIONS, tmp_path / "far")
    folders = tmp_path / "far", tmp_path / "own"
    for store in (ImageStore(*folders), pickle.loads(pickle.dumps(ImageStore(*folders)))):
        seen = {
            name: [colour(data) for data in store.all(name)] for name in ("a", "far:a", "far:b")
        }
        expected = {"a": [10, 50, 90], "far:a": [30], "far:b": [90]}
        for name, colours in expected.items():
            assert seen[name] == pytest.approx(colours, abs=4)
    (shard,) = shard_paths(tmp_path / "own")
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(VerdictError, match=r"own is not as it was written"):
        ImageStore(*folders)


def test_the_column_is_only_where_a_data_set_has_several(tmp_path: Path) -> None:
    table = RawTable([row("b", "i2"), row("e", "i5")], images=Pictures("i2", "i5"))
    extract(table, OPTIONS, tmp_path / "one")
    (path,) = shard_paths(tmp_path / "one")
    assert pq.read_schema(path).equals(SCHEMA, check_metadata=True)
    extract(RawTable(ROWS, images=ALL), OPTIONS, tmp_path / "several")
    (path,) = shard_paths(tmp_path / "several")
    added = [name for name in pq.read_schema(path).names if name not in SCHEMA.names]
    assert added == ["further_images", "further_sha256"]


def test_datasets_reads_all_images(tmp_path: Path) -> None:
    import datasets

    extract(RawTable(ROWS, images=ALL), OPTIONS, tmp_path / "records")
    files = [str(path) for path in shard_paths(tmp_path / "records")]
    cache = str(tmp_path / "cache")
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert [len(row["further_images"]) for row in rows] == [2, 0, 1]
    assert rows[0]["further_images"][1].getpixel((32, 32))[0] == pytest.approx(90, abs=4)


@pytest.mark.fault("images")
def test_a_record_with_a_damaged_image_is_rejected_whole_and_the_image_named(
    tmp_path: Path,
) -> None:
    images = Pictures("i1", "i2", "i3", "i5", "i7", "i9", damaged="i5")
    options = OPTIONS.model_copy(update={"max_rejected": 1})
    counts = extract(RawTable(ROWS, images=images), options, tmp_path / "records")
    (rejection,) = counts["rejections"]
    assert (rejection["id"], rejection["image"]) == ("a", "i5")
    assert [record.id for record in read_records(tmp_path / "records")] == ["b", "c"]


@pytest.mark.fault("tables")
def test_an_image_that_is_not_there_is_named_by_its_record(tmp_path: Path) -> None:
    rows = [*ROWS, row("d", "i1", "i8")]
    with pytest.raises(VerdictError, match="has no image for 1 of 4 rows, first d"):
        extract(RawTable(rows, images=ALL), OPTIONS, tmp_path / "records")


def test_records_that_share_any_image_are_in_one_split() -> None:
    records = some_records()
    for index, further in ((200, ("x", "shared")), (300, ("shared",)), (399, ("y", "z"))):
        records[index] = replace(records[index], further_sha256=further)
    # The first image of one is a later one of another.
    records[300] = replace(records[300], sha256="z")
    assignment = split_records(records, [], TENTHS).assignment
    assert len({assignment[name] for name in ("r0200", "r0300", "r0399")}) == 1


@pytest.mark.fault("splits")
def test_the_gate_looks_at_every_image_and_counts_what_crosses() -> None:
    records = [record(i, i, "benign") for i in range(3)]
    records[1] = replace(records[1], further_sha256=("seen",))
    records[2] = replace(records[2], further_sha256=("other", "seen"))
    assignment = {"r0000": "train", "r0001": "validation", "r0002": "test"}
    with pytest.raises(VerdictError, match=r"identical image seen crosses splits: r0001 .* r0002"):
        check_split(records, [], assignment)
    options = TENTHS.model_copy(update={"source": "published"})
    counts = describe_split(records, [], Division(assignment), options)["crosses_splits"]
    assert counts["identical"] == 1
