import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import IsicArchive, jpeg
from verdict.errors import VerdictError
from verdict.params import Extract
from verdict.records.duplicates import read_duplicates
from verdict.records.extract import extract
from verdict.records.shards import ImageStore, read_records, shard_paths
from verdict.tasks.melanoma.table import read_table

OPTIONS = Extract(
    size=64,
    fit="pad",
    resample="bilinear",
    format="jpeg",
    quality=95,
    shard_megabytes=256,
    max_megapixels=200,
    max_rejected=0,
)


def run(archive: IsicArchive, destination: Path, **changes: object) -> dict[str, object]:
    options = OPTIONS.model_copy(update=changes)
    return extract(read_table(archive.write()), options, destination)


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
    monkeypatch.setattr("verdict.records.extract._BYTES_PER_PIXEL", {"jpeg": 20.0})
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


def test_a_truncated_jpeg_stops_the_stage_and_keeps_the_old_records(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    archive = isic()
    run(archive, tmp_path / "records")
    before = [path.read_bytes() for path in shard_paths(tmp_path / "records")]
    damage(archive, "ISIC_0000003")
    with pytest.raises(VerdictError, match=r"train/ISIC_0000003\.jpg: does not decode") as error:
        run(archive, tmp_path / "records")
    assert "extract.max_rejected allows 0" in str(error.value)
    assert [path.read_bytes() for path in shard_paths(tmp_path / "records")] == before
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


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


def test_a_row_without_an_image_is_named(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    del archive.images["ISIC_0000002"]
    with pytest.raises(VerdictError, match="no image for 1 of 12 rows, first ISIC_0000002"):
        run(archive, tmp_path / "records")


def test_an_image_without_a_row_is_named(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    archive.images["ISIC_7777777"] = jpeg()
    with pytest.raises(VerdictError, match=r"1 image without a row .* train/ISIC_7777777\.jpg"):
        run(archive, tmp_path / "records")


def test_an_empty_archive_is_refused(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    archive = isic()
    archive.images.clear()
    with pytest.raises(VerdictError, match="holds no images"):
        run(archive, tmp_path / "records")


def test_a_cut_off_archive_is_refused(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    table = read_table(isic().write())
    table.archive.write_bytes(table.archive.read_bytes()[:-200])
    with pytest.raises(VerdictError, match="not a complete ZIP archive"):
        extract(table, OPTIONS, tmp_path / "records")


def test_a_flipped_byte_in_the_archive_is_noticed(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    table = read_table(isic().write())
    data = bytearray(table.archive.read_bytes())
    data[400] ^= 0x01
    table.archive.write_bytes(data)
    with pytest.raises(VerdictError, match="CRC"):
        extract(table, OPTIONS, tmp_path / "records")
