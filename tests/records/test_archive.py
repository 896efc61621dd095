"""ZIP archives as others make them: every way to compress, damage, and members that mislead."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from verdict.core.errors import VerdictError
from verdict.records.archive import ZipImages
from verdict.records.image_files import image_at

CONTENT = {f"image_{number}": bytes([number]) * 3000 + b"end" for number in range(3)}
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def write(path: Path, method: int = zipfile.ZIP_STORED, target: io.RawIOBase | None = None) -> None:
    with zipfile.ZipFile(target or path, "w", method) as archive:
        for name, data in CONTENT.items():
            archive.writestr(f"größer/{name}.jpg", data)


def read_all(path: Path) -> dict[str, bytes]:
    images = ZipImages(path)
    places = images.places()
    with images.open() as reader:
        return {key: reader.read(place) for key, place in places.items()}


@pytest.mark.parametrize("method", METHODS)
def test_members_are_read_at_their_places(method: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zip", METHODS[method])
    assert read_all(tmp_path / "a.zip") == CONTENT


def test_an_archive_behind_a_program_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"#!/bin/sh\n" * 10 + (tmp_path / "a.zip").read_bytes())
    assert read_all(tmp_path / "b.zip") == CONTENT


class Stream(io.RawIOBase):
    """A pipe: sizes and checksums then stand behind each member, and not in its header."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def test_an_archive_that_was_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    stream = Stream()
    write(tmp_path, zipfile.ZIP_DEFLATED, stream)
    (tmp_path / "a.zip").write_bytes(stream.data)
    assert read_all(tmp_path / "a.zip") == CONTENT


def test_a_reader_needs_places_and_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write(path)
    images = ZipImages(path)
    places = images.places()
    with zipfile.ZipFile(path) as archive:
        path.write_bytes(path.read_bytes()[: archive.start_dir])
    with images.open() as reader:
        assert {key: reader.read(place) for key, place in places.items()} == CONTENT


@pytest.mark.fault("archives")
def test_an_archive_that_a_worker_does_not_see_is_missing(tmp_path: Path) -> None:
    with (
        pytest.raises(VerdictError, match=r"a\.zip is missing; run `dvc repro fetch` again"),
        ZipImages(tmp_path / "a.zip").open(),
    ):
        pass


def first_data(data: bytearray) -> int:
    """Return where the first member's data begin."""
    return 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")


def flip_data(data: bytearray) -> None:
    begin = first_data(data)
    data[begin : begin + 20] = bytes(255 - value for value in data[begin : begin + 20])


@pytest.mark.fault("archives")
@pytest.mark.parametrize("method", METHODS)
def test_damaged_data_are_a_reason_and_no_end(method: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zip", METHODS[method])
    change(tmp_path / "a.zip", flip_data)
    with pytest.raises(ValueError, match=r"."):
        read_all(tmp_path / "a.zip")


def change(path: Path, work: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    work(data)
    path.write_bytes(data)


def in_directory(offset: int, value: bytes) -> Callable[[bytearray], None]:
    """Change a field of the directory's first entry."""

    def work(data: bytearray) -> None:
        begin = data.index(b"PK\x01\x02") + offset
        data[begin : begin + len(value)] = value

    return work


@pytest.mark.fault("archives")
@pytest.mark.parametrize(
    ("work", "reason"),
    [
        pytest.param(in_directory(8, b"\x01\x08"), "is encrypted", id="encrypted"),
        pytest.param(in_directory(10, b"\x63\x00"), "not supported", id="unknown method"),
        pytest.param(in_directory(24, b"\x10\x00\x00\x00"), "Bad CRC-32", id="more than said"),
        pytest.param(in_directory(24, b"\xff\x0f\x00\x00"), "another number", id="less than said"),
        pytest.param(in_directory(24, b"\xff\xff\xff\x7f"), "declares 2,147,", id="a bomb"),
        pytest.param(in_directory(42, b"\x07\x00\x00\x00"), "Bad magic number", id="elsewhere"),
        pytest.param(in_directory(42, b"\xff\xff\xff\x7f"), "Truncated", id="behind the end"),
        pytest.param(in_directory(46, b"G"), "differ", id="another name"),
    ],
)
def test_a_member_that_misleads_is_a_reason(
    work: Callable[[bytearray], None], reason: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.zip")
    change(tmp_path / "a.zip", work)
    images = ZipImages(tmp_path / "a.zip")
    places = images.places()
    with images.open() as reader:
        with pytest.raises(ValueError, match=reason):
            reader.read(places["image_0"])
        assert reader.read(places["image_1"]) == CONTENT["image_1"]


@pytest.mark.fault("storage")
def test_a_failing_disk_is_no_damaged_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.zip")

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        read_all(tmp_path / "a.zip")


def test_dicom_is_known_by_its_suffix_or_its_mark(tmp_path: Path) -> None:
    dicom = bytes(128) + b"DICM" + b"pixels"
    members = {
        "a/IM00001": dicom, "a/1.2.840.113619.2.55.3": dicom, "a/scan.DCM": b"of any content",
        "DICOMDIR": dicom, "README": b"DICM", "a/notes.txt": dicom, "a/.hidden": dicom,
        "a/empty": b"", "a/picture.jpg": b"jpeg",
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    found = read_all(tmp_path / "a.zip")
    assert found == {
        "IM00001": dicom, "1.2.840.113619.2.55.3": dicom, "scan": b"of any content",
        "picture": b"jpeg",
    }  # fmt: skip
    for name, data in members.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    named = {name for path in tmp_path.rglob("*") if (name := image_at(path))}
    assert named == found.keys()


@pytest.mark.fault("archives")
def test_a_file_that_nobody_can_read_is_no_dicom(tmp_path: Path) -> None:
    """One in an archive that is encrypted, or damaged where its beginning is."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IM00001", bytes(128) + b"DICM")
        archive.writestr("picture.jpg", b"jpeg")
    data = bytearray(path.read_bytes())
    for flags in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[flags] |= 1
    path.write_bytes(data)
    assert ZipImages(path).places().keys() == {"picture"}
    data[data.index(b"PK\x03\x04") + 6] = data[data.index(b"PK\x01\x02") + 8] = 0
    data[37:40] = b"\xff\xff\xff"
    path.write_bytes(data)
    assert ZipImages(path).places().keys() == {"picture"}
    assert image_at(tmp_path / "absent") is None
