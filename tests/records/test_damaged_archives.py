"""Archives with bytes changed at random: one message, or an image that is said to be damaged."""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verdict.core.errors import VerdictError
from verdict.records.archive import ImageSource, ZipImages
from verdict.records.parquet_images import ParquetImages

pytestmark = pytest.mark.fault("archives")

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def zipped(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number in range(3):
            archive.writestr(f"größer/{number}.jpg", bytes([number]) * 200 + b"end")
    return buffer.getvalue()


def in_parquet(compression: str) -> bytes:
    buffer = io.BytesIO()
    images = [{"bytes": bytes([number]) * 200, "path": "ä.jpg"} for number in range(6)]
    table = pa.table({"image": images})
    pq.write_table(table, buffer, compression=compression, row_group_size=2)
    return buffer.getvalue()


def read(source: ImageSource) -> list[str]:
    """Read all of a source; return why images of it are not to be had."""
    said = []
    places = source.places()
    source.digest()
    with source.open() as reader:
        for place in places.values():
            try:
                reader.read(place)
            except ValueError as error:
                said.append(str(error))
    return said


@pytest.mark.parametrize("seed", range(4))
def test_no_zip_ends_in_an_unexpected_error(tmp_path: Path, seed: int) -> None:
    wholes = [zipped(method) for method in METHODS]
    path = tmp_path / "a.zip"
    assert _tried(random.Random(seed), wholes, path, lambda: ZipImages(path)) > 25


@pytest.mark.parametrize("seed", range(3))
def test_no_parquet_ends_in_an_unexpected_error(tmp_path: Path, seed: int) -> None:
    wholes = [in_parquet(compression) for compression in ("none", "snappy", "zstd")]
    path = tmp_path / "a.parquet"
    source = ParquetImages(path, (path,), "image")
    assert _tried(random.Random(seed), wholes, path, lambda: source) > 3


def _tried(
    chance: random.Random, wholes: list[bytes], path: Path, source: Callable[[], ImageSource]
) -> int:
    """Try 150 damaged archives; return how many were refused."""
    refused = 0
    for _ in range(150):
        data = bytearray(chance.choice(wholes))
        for _ in range(chance.choice([1, 1, 2, 4, 8])):
            data[chance.randrange(len(data))] = chance.choice([0, 255, chance.randrange(256)])
        path.write_bytes(data)
        try:
            read(source())
        except VerdictError:
            refused += 1
    return refused


def test_a_name_that_is_not_what_it_says_and_an_unknown_version_are_one_message(
    tmp_path: Path,
) -> None:
    whole = zipped(zipfile.ZIP_STORED)
    name = "größer/0.jpg".encode()
    first, last = whole.index(name), whole.rindex(name)
    for start, said in ((last, "not a complete ZIP"), (first, "")):
        data = bytearray(whole)
        data[start + 2] = 0xFF
        (tmp_path / "a.zip").write_bytes(data)
        if said:
            with pytest.raises(VerdictError, match=said):
                read(ZipImages(tmp_path / "a.zip"))
        else:
            assert len(read(ZipImages(tmp_path / "a.zip"))) == 1
    data = bytearray(whole)
    data[whole.index(b"PK\x01\x02") + 6] = 255  # the version needed
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(VerdictError, match="version"):
        read(ZipImages(tmp_path / "a.zip"))
