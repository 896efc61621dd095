"""The benchmark of the remote compares the same images, in shards as extract writes them."""

from pathlib import Path

import pytest

from benchmarks import remote
from verdict.records.shards import ImageStore, read_records


def test_both_ways_hold_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "IMAGE", 100_000_000)
    # Three of 256 MB would be needed; the bytes themselves stay few.
    monkeypatch.setattr(remote, "image", lambda number: b"%d" % number * 1000)
    remote.write_loose(tmp_path / "loose", 8)
    remote.write_shards(tmp_path / "shards", 8)
    names = [path.name for path in sorted((tmp_path / "shards").iterdir())]
    assert names == [f"shard-{index:05d}-of-00003.parquet" for index in range(3)]
    records = read_records(tmp_path / "shards")
    images = ImageStore(tmp_path / "shards")
    assert {record.id: images[record.id] for record in records} == {
        path.stem: path.read_bytes() for path in (tmp_path / "loose").iterdir()
    }


def test_a_difference_between_folders_is_seen(tmp_path: Path) -> None:
    for name in ("a", "b"):
        remote.write_loose(tmp_path / name, 2)
    assert remote.equal(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "ISIC_0000001.jpg").write_bytes(b"")
    assert not remote.equal(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "ISIC_0000001.jpg").unlink()
    assert not remote.equal(tmp_path / "a", tmp_path / "b")
