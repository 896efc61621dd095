"""Reading the published Parquet files: ids, groups, splits, and what is wrong with a row."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.isic import jpeg
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.params.data import Dicom, Extract
from verdict.records.raw import RawTable
from verdict.records.shards import ImageStore, read_records
from verdict.tasks import read_raw
from verdict.tasks.medpix_vqa.archive.layout import SCHEMA

EXTRACT = Extract(
    size=32,
    fit="stretch",
    resample="bilinear",
    format="jpeg",
    quality=90,
    shard_megabytes=1,
    max_megapixels=1,
    max_rejected=0,
    dicom=Dicom(window="file", frame="only"),
)


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "image_id": {"bytes": jpeg((60 * number % 255, 90, 60)), "path": f"{number}.jpg"},
        "mode": "CT",
        "case_id": f"MPX{number // 2}",
        "question": "Is a mass visible?",
        "answer": "Yes.",
        **changes,
    }


class Archive:
    """A small raw folder in the published layout, easy to damage."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files = {
            "train/train-00000-of-00002": [row(0), row(1, answer=" MRI ")],
            "train/train-00001-of-00002": [row(2), row(3)],
            "validation/validation-00000-of-00001": [row(4), row(5)],
        }

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def write(self) -> Path:
        for name, rows in self.files.items():
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), self.path(name))
        return self.folder


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "raw")


@pytest.fixture
def read(archive: Archive) -> Callable[..., RawTable]:
    def read(blank_answers: str = "fail") -> RawTable:
        return read_raw("medpix_vqa", archive.write(), {"blank_answers": blank_answers})

    return read


def test_rows_of_both_splits_are_read(read: Callable[..., RawTable]) -> None:
    table = read()
    assert [r.id for r in table.rows] == [
        "train-00000-of-00002-000000",
        "train-00000-of-00002-000001",
        "train-00001-of-00002-000000",
        "train-00001-of-00002-000001",
        "validation-00000-of-00001-000000",
        "validation-00000-of-00001-000001",
    ]
    assert [r.id for r in table.rows] == sorted(r.id for r in table.rows)
    assert [r.split for r in table.rows] == ["train"] * 4 + ["validation"] * 2
    assert [r.group for r in table.rows] == ["MPX0", "MPX0", "MPX1", "MPX1", "MPX2", "MPX2"]
    first, second = table.rows[:2]
    assert (first.text, first.answer, first.label) == ("Is a mass visible?", "Yes.", None)
    assert first.attributes == {
        "mode": "CT",
        "question_type": "closed",
        "question": "Is a mass visible?",
    }
    assert (second.answer, second.attributes["question_type"]) == ("MRI", "open")
    assert table.findings == {
        "closed_questions": 5,
        "open_questions": 1,
        "blank_answers_left_out": 0,
        "blank_answers": [],
        "unwritten_answers_kept": 0,
        "unwritten_answers": [],
    }


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("yes", "closed"),
        ("No.", "closed"),
        ("NO", "closed"),
        ("Yes, on the left.", "open"),
        ("None", "open"),
        ("Noncontrast CT", "open"),
    ],
)
def test_closed_questions_are_answered_by_yes_or_no_alone(
    archive: Archive, read: Callable[..., RawTable], answer: str, kind: str
) -> None:
    archive.files["train/train-00000-of-00002"][0]["answer"] = answer
    assert read().rows[0].attributes["question_type"] == kind


def test_a_long_question_is_no_attribute(archive: Archive, read: Callable[..., RawTable]) -> None:
    question = "What does the " + "very " * 20 + "bright spot mean?"
    archive.files["train/train-00000-of-00002"][0].update(question=question, mode=None)
    first = read().rows[0]
    assert first.text == question
    assert first.attributes == {"question_type": "closed"}


@pytest.mark.fault("tables")
@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("cells", [{"case_id": None}, {"case_id": " "}, {"question": None}])
def test_a_row_without_case_or_question_is_named(
    archive: Archive, read: Callable[..., RawTable], split: str, cells: dict[str, Any]
) -> None:
    name = next(name for name in archive.files if name.startswith(split))
    archive.files[name][1].update(cells)
    (column,) = cells
    with pytest.raises(VerdictError, match=rf"{name}\.parquet row 1: {column} is blank"):
        read("leave_out")


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_blank_answers_stop_or_are_left_out_and_counted(
    archive: Archive, read: Callable[..., RawTable], tmp_path: Path, answer: str | None
) -> None:
    archive.files["train/train-00001-of-00002"][1]["answer"] = answer
    with pytest.raises(
        VerdictError, match=r"00001-of-00002\.parquet row 1: the answer is blank.*blank_answers"
    ):
        read()
    table = read("leave_out")
    assert len(table.rows) == 5
    metrics = extract(table, EXTRACT, tmp_path / "records")
    assert metrics["records"] == 5
    assert metrics["blank_answers_left_out"] == 1
    assert metrics["blank_answers"] == ["train-00001-of-00002-000001"]


def test_answers_that_are_the_words_of_the_form_are_counted(
    archive: Archive, read: Callable[..., RawTable]
) -> None:
    form = "Replace this - DESCRIPTION OF THE IMAGE OR FINDINGS."
    archive.files["train/train-00001-of-00002"][1]["answer"] = form
    table = read()
    assert table.rows[3].answer == form
    assert table.findings["unwritten_answers_kept"] == 1
    assert table.findings["unwritten_answers"] == ["train-00001-of-00002-000001"]


def test_only_blank_answers_are_too_few(archive: Archive, read: Callable[..., RawTable]) -> None:
    for rows in archive.files.values():
        for cells in rows:
            cells["answer"] = None
    with pytest.raises(VerdictError, match="has no rows with an answer"):
        read("leave_out")


@pytest.mark.fault("tables")
def test_a_missing_column_is_named(archive: Archive) -> None:
    folder = archive.write()
    path = archive.path("train/train-00001-of-00002")
    pq.write_table(pq.read_table(path).drop_columns(["answer", "case_id"]), path)
    with pytest.raises(
        VerdictError, match=r"00001-of-00002\.parquet lacks the columns case_id, answer; it has"
    ):
        read_raw("medpix_vqa", folder, {"blank_answers": "fail"})


@pytest.mark.fault("tables")
@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_damaged_file_is_named(archive: Archive, damage: str) -> None:
    folder = archive.write()
    path = archive.path("train/train-00001-of-00002")
    path.write_bytes(path.read_bytes()[:-20] if damage == "cut" else b"<html>Not found</html>")
    with pytest.raises(
        VerdictError,
        match=r"00001-of-00002\.parquet is not a complete Parquet file.*fetch it again",
    ):
        read_raw("medpix_vqa", folder, {"blank_answers": "fail"})


@pytest.mark.fault("tables")
@pytest.mark.parametrize("missing", ["train/", "validation/"])
def test_a_folder_without_files_is_named(archive: Archive, missing: str) -> None:
    folder = archive.write()
    for path in (folder / missing).iterdir():
        path.unlink()
    with pytest.raises(
        VerdictError, match=rf"{missing[:-1]} has no Parquet files.*fetch\.files\.{missing[:-1]}"
    ):
        read_raw("medpix_vqa", folder, {"blank_answers": "fail"})


@pytest.mark.fault("tables")
def test_two_files_of_one_name_are_refused(archive: Archive, read: Callable[..., RawTable]) -> None:
    archive.files["validation/train-00000-of-00002"] = [row(6)]
    with pytest.raises(VerdictError, match=r"train-00000-of-00002\.parquet have the same name"):
        read()


def test_images_are_those_of_their_rows(
    archive: Archive, read: Callable[..., RawTable], tmp_path: Path
) -> None:
    metrics = extract(read(), EXTRACT, tmp_path / "records")
    assert (metrics["records"], metrics["groups"], metrics["rejected"]) == (6, 3, 0)
    images = ImageStore(tmp_path / "records")
    records = read_records(tmp_path / "records")
    every = [r for rows in archive.files.values() for r in rows]
    for record, source in zip(records, every, strict=True):
        stored = Image.open(io.BytesIO(images[record.id])).convert("RGB").getpixel((16, 16))
        original = Image.open(io.BytesIO(source["image_id"]["bytes"])).convert("RGB")
        wanted = original.getpixel((16, 16))
        assert isinstance(stored, tuple)
        assert isinstance(wanted, tuple)
        assert max(abs(a - b) for a, b in zip(stored, wanted, strict=True)) < 8


@pytest.mark.fault("images")
def test_a_row_without_an_image_is_rejected_by_name(
    archive: Archive, read: Callable[..., RawTable], tmp_path: Path
) -> None:
    archive.files["train/train-00001-of-00002"][1]["image_id"] = None
    with pytest.raises(VerdictError, match=r"train-00001-of-00002:1: holds no image in the column"):
        extract(read(), EXTRACT, tmp_path / "records")


def test_options_are_checked(archive: Archive) -> None:
    with pytest.raises(VerdictError, match=r"dataset\.blank_answer: unknown key; did you mean"):
        read_raw("medpix_vqa", archive.write(), {"blank_answer": "fail"})
