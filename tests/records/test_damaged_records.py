"""Records, splits and conversations that were damaged on their way: one message, with the file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testing.isic import IsicArchive
from tests.extraction.test_extract import OPTIONS
from verdict.conversations import read_answers, read_conversations, write_chat
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.params.data import Format
from verdict.records.duplicates import read_duplicates
from verdict.records.shards import ImageStore, read_records
from verdict.splitting.assignment import Division
from verdict.splitting.files import read_split, write_split
from verdict.tasks.melanoma.table import Options, read_table

pytestmark = pytest.mark.fault("pulled data")

SHARD = "records/shard-00000-of-00001.parquet"


@pytest.fixture
def folder(tmp_path: Path, isic: Callable[..., IsicArchive], committed_params: dict) -> Path:
    extract(read_table(isic().write(), Options()), OPTIONS, tmp_path / "records")
    records = read_records(tmp_path / "records")
    assignment = {record.id: "train" for record in records}
    write_split(tmp_path / "splits", Division(assignment))
    write_chat(tmp_path / "chat", records, assignment, Format(**committed_params["format"]))
    return tmp_path


def images(folder: Path) -> list[bytes]:
    store = ImageStore(folder / "records")
    return [store[f"ISIC_{n:07d}"] for n in range(12)]


READERS: dict[str, Callable[[Path], object]] = {
    SHARD: lambda folder: read_records(folder / "records"),
    "records/duplicates.csv": lambda folder: read_duplicates(folder / "records"),
    "splits/train.csv": lambda folder: read_split(folder / "splits"),
    "chat/train.jsonl": lambda folder: read_conversations(folder / "chat/train.jsonl"),
    "chat/answers.json": lambda folder: read_answers(folder / "chat"),
}


def damages(content: bytes, name: str) -> Iterator[bytes]:
    half = content[: len(content) // 2]
    yield from (half + b"\xff\xfe" + half, b"\xff")
    if name != "records/duplicates.csv":
        yield b"" if name == "splits/train.csv" else half
    if "chat" in name:
        yield from (b"[]\n", b"{}\n", b'{"a": 1}\n', b"[" * 100_000, b"9" * 5000)


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    sound = path.read_bytes()
    READERS[name](folder)
    for content in damages(sound, name):
        path.write_bytes(content)
        with pytest.raises(VerdictError) as told:
            READERS[name](folder)
        assert str(told.value).startswith(f"{path} is not as it was written (")
        assert f"`dvc checkout --force {path}`" in str(told.value)


def test_damaged_images_are_told(folder: Path) -> None:
    path = folder / SHARD
    sound = path.read_bytes()
    assert len(images(folder)) == 12
    for content in (b"", sound[: len(sound) // 2], sound[:4] + bytes(600) + sound[604:]):
        path.write_bytes(content)
        with pytest.raises(VerdictError, match="records is not as it was written"):
            images(folder)


@pytest.mark.parametrize("name", [name for name in READERS if name != SHARD])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(VerdictError, match=rf"{name} is missing; run `dvc repro \w+` or"):
        READERS[name](folder)
