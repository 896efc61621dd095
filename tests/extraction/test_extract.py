import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.isic import IsicArchive, jpeg
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.params.data import Dicom, Extract
from verdict.records.duplicates import read_duplicates
from verdict.records.parquet_images import ParquetImages
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import ImageStore, read_records, shard_paths
from verdict.tasks.melanoma.table import Options, read_table

OPTIONS = Extract(
    size=64,
    fit="pad",
    resample="bilinear",
    format="jpeg",
    quality=95,
    shard_megabytes=256,
    max_megapixels=200,
    max_rejected=0,
    dicom=Dicom(window="file", frame="only"),
)


def run(archive: IsicArchive, destination: Path, **changes: object) -> dict[str, object]:
    options = OPTIONS.model_copy(update=changes)
    return extract(read_table(archive.write(), Options()), options, destination)


def test_records_carry_rows_pixels_and_duplicates(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    archive = isic()
    counts = run(archive, tmp_path / "records")
    assert counts == {"records": 12, "groups": 6, "shards": 1, "rejected": 0, "rejections": []}
    records = read_records(tmp_path / "records")
    assert [record.id for record in records] == sorted(archive.images)
    first = records[0]
    assert (first.group, first.label, first.row) == ("IP_0000000", "melanoma", 0)
    assert first.attributes == {
        "age": "45", "diagnosis": "melanoma", "lesion": "IL_0000000", "site": "torso",
    }  # fmt: skip  # the empty sex cell is left out
    assert read_duplicates(tmp_path / "records") == [("ISIC_0000000", "ISIC_0000001")]
    store = ImageStore(tmp_path / "records")
    for name in archive.images:
        image = Image.open(io.BytesIO(store[name]))
        assert (image.format, image.size, image.mode) == ("JPEG", (64, 64), "RGB")


def test_datasets_reads_the_shards_with_images(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    import datasets

    run(isic(), tmp_path / "records")
    rows = datasets.load_dataset(
        "parquet",
        data_files=[str(path) for path in shard_paths(tmp_path / "records")],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows[0]["image"].size == (64, 64)
    assert json.loads(rows[0]["attributes"])["site"] == "torso"


def test_shards_do_not_depend_on_the_number_of_workers(
    isic: Callable[..., IsicArchive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = isic(images=40)
    monkeypatch.setattr("verdict.extraction.shard_tasks._BYTES_PER_PIXEL", {"jpeg": 20.0})
    contents = []
    for workers in (1, 2, 4):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=workers: set(range(n)))
        folder = tmp_path / f"records-{workers}"
        assert run(archive, folder, shard_megabytes=1)["shards"] == 4
        contents.append([path.read_bytes() for path in shard_paths(folder)])
    assert contents[0] == contents[1] == contents[2]
    ids = [pq.read_table(path)["id"].to_pylist() for path in shard_paths(folder)]
    assert ids == [sorted(archive.images)[i::4] for i in range(4)]


def damage(archive: IsicArchive, name: str) -> None:
    archive.images[name] = archive.images[name][:300]


@pytest.mark.fault("images")
def test_a_truncated_jpeg_stops_the_stage_and_keeps_the_old_records(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    archive = isic()
    run(archive, tmp_path / "records")
    before = [path.read_bytes() for path in shard_paths(tmp_path / "records")]
    damage(archive, "ISIC_0000003")
    with pytest.raises(VerdictError, match="ISIC_0000003: does not decode") as error:
        run(archive, tmp_path / "records")
    assert "extract.max_rejected allows 0" in str(error.value)
    assert [path.read_bytes() for path in shard_paths(tmp_path / "records")] == before
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.fault("images")
def test_an_allowed_rejection_is_recorded_by_name_and_reason(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    archive = isic()
    damage(archive, "ISIC_0000001")
    counts = run(archive, tmp_path / "records", max_rejected=1)
    assert counts["records"] == 11
    (rejection,) = counts["rejections"]  # type: ignore[misc]
    assert rejection["id"] == "ISIC_0000001"
    assert "truncated" in rejection["reason"].lower()
    # Its duplicate pair went with it.
    assert read_duplicates(tmp_path / "records") == []


@pytest.mark.fault("tables")
def test_a_row_without_an_image_is_named(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    del archive.images["ISIC_0000002"]
    with pytest.raises(VerdictError, match="no image for 1 of 12 rows, first ISIC_0000002"):
        run(archive, tmp_path / "records")


@pytest.mark.fault("tables")
def test_an_image_without_a_row_is_named(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    archive.images["ISIC_7777777"] = jpeg()
    with pytest.raises(VerdictError, match=r"1 image without a row .* ISIC_7777777"):
        run(archive, tmp_path / "records")


@pytest.mark.fault("archives")
def test_an_empty_archive_is_refused(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    archive.images.clear()
    with pytest.raises(VerdictError, match="holds no images"):
        run(archive, tmp_path / "records")


@pytest.mark.fault("archives")
def test_a_cut_off_archive_is_refused(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    table = read_table(isic().write(), Options())
    table.images.path.write_bytes(table.images.path.read_bytes()[:-200])
    with pytest.raises(VerdictError, match="not a complete ZIP archive"):
        extract(table, OPTIONS, tmp_path / "records")


@pytest.mark.fault("archives")
def test_a_flipped_byte_in_the_archive_is_noticed(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    table = read_table(isic().write(), Options())
    data = bytearray(table.images.path.read_bytes())
    data[400] ^= 0x01
    table.images.path.write_bytes(data)
    with pytest.raises(VerdictError, match="CRC"):
        extract(table, OPTIONS, tmp_path / "records")


def text_table(rows: list[RawRow]) -> RawTable:
    return RawTable(rows, findings={"left_out": 3})


def test_records_of_text_alone_need_no_archive(tmp_path: Path) -> None:
    rows = [
        RawRow("p1", "e1", "match", text="A: x\nB: y", other_group="e2", split="train"),
        RawRow("p0", "e0", None, text="Which plane?", answer="axial", split="test"),
    ]
    counts = extract(text_table(rows), OPTIONS, tmp_path / "records")
    assert (counts["records"], counts["left_out"]) == (2, 3)
    assert counts["groups"] == 3  # e0, e1, e2: both of a pair
    first, second = read_records(tmp_path / "records")
    assert (first.text, first.answer, first.split) == ("Which plane?", "axial", "test")
    assert (second.label, second.other_group, second.row) == ("match", "e2", 0)
    assert not first.has_image
    assert first.sha256 == hashlib.sha256(b"Which plane?").hexdigest()


@pytest.mark.fault("tables")
def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    rows = [RawRow("p1", "e1", None, text="a"), RawRow("p1", "e2", None, text="b")]
    with pytest.raises(VerdictError, match="p1 stands in the table twice"):
        extract(text_table(rows), OPTIONS, tmp_path / "records")


def parquet_archive(folder: Path, rows: int) -> ParquetImages:
    files = []
    for number in range(2):
        file = folder / f"train-{number}.parquet"
        images = [{"bytes": jpeg((10 * number, 5 * row, 0)), "path": None} for row in range(rows)]
        pq.write_table(pa.table({"image_id": images}), file, row_group_size=4)
        files.append(file)
    return ParquetImages(folder, tuple(files), "image_id")


def test_images_are_read_out_of_parquet_files(tmp_path: Path) -> None:
    images = parquet_archive(tmp_path, 10)
    assert list(images.places())[:2] == ["train-0:0", "train-0:1"]
    rows = [RawRow(f"r{key.replace(':', '-')}", "g", "a", image=key) for key in images.places()]
    extract(RawTable(rows, images=images), OPTIONS, tmp_path / "records")
    store = ImageStore(tmp_path / "records")
    for number, row in ((0, 3), (0, 9), (1, 0), (1, 7)):
        image = Image.open(io.BytesIO(store[f"rtrain-{number}-{row}"]))
        red, green, _ = image.getpixel((32, 32))  # type: ignore[misc]
        assert (red, green) == (pytest.approx(10 * number, abs=4), pytest.approx(5 * row, abs=4))
    assert all(record.has_image for record in read_records(tmp_path / "records"))


@pytest.mark.fault("tables")
def test_a_parquet_row_without_an_image_is_named(tmp_path: Path) -> None:
    images = parquet_archive(tmp_path, 3)
    table = pa.table({"image_id": pa.array([None] * 3, pq.read_schema(images.files[1])[0].type)})
    pq.write_table(table, images.files[1])
    rows = [RawRow("r0", "g", "a", image="train-1:2")]
    with pytest.raises(VerdictError, match="train-1:2: holds no image in the column image_id"):
        extract(RawTable(rows, images=images, every_image=False), OPTIONS, tmp_path / "records")
