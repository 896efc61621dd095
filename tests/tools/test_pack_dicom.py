"""A folder of DICOM files and a table, packed for a task: pictures as they were, no names."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from testing.dicom import ct, encoded, with_canary
from tests.extraction.test_dicom_privacy import FAILING, SIGN
from tests.extraction.test_extract import OPTIONS
from tools.folders import read_folders
from tools.pack_isic import Columns, pack
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.extraction.images import convert
from verdict.records.shards import ImageStore, read_records
from verdict.tasks.melanoma.archive.layout import FILES
from verdict.tasks.melanoma.table import Options, read_table

COLUMNS = Columns(id="id", label="label", group="patient")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of DICOM files, half of them without a suffix."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(900, 1300, (30, 40)).astype(np.uint16)
        path = folder / f"scan{number}{'.dcm' if number % 2 else ''}"
        path.write_bytes(with_canary(ct(pixels)))
    (tmp_path / "labels.csv").write_text(
        "id,label,patient\n" + "".join(f"scan{n},{n % 2},p{n}\n" for n in range(4))
    )
    return folder


def test_a_folder_of_dicom_becomes_the_melanoma_task_s_archive(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    packed = pack(scans, tmp_path / "labels.csv", COLUMNS, out)
    assert packed.images == 4
    with zipfile.ZipFile(out / FILES["images"]) as archive:
        names = archive.namelist()
        assert names == [f"train/scan{number}.dcm" for number in range(4)]
        assert not any(SIGN.encode() in archive.read(name) for name in names)
    extract(read_table(out, Options()), OPTIONS, tmp_path / "records")
    store = ImageStore(tmp_path / "records")
    for record in read_records(tmp_path / "records"):
        (original,) = scans.glob(f"{record.id}*")
        assert store[record.id] == convert(original.read_bytes(), OPTIONS)


@pytest.mark.fault("own data")
@pytest.mark.parametrize("kind", sorted(FAILING.keys() - {"frames"}))
def test_what_cannot_be_shown_is_named_and_nothing_of_its_header(
    kind: str, scans: Path, tmp_path: Path
) -> None:
    (scans / "scan1.dcm").write_bytes(FAILING[kind]())
    with pytest.raises(VerdictError, match=r"scan1\.dcm is no image that can be read: ") as raised:
        pack(scans, tmp_path / "labels.csv", COLUMNS, tmp_path / "out")
    assert SIGN not in str(raised.value)


def test_folders_of_dicom_are_labels(tmp_path: Path) -> None:
    for label in ("clear", "mass"):
        (tmp_path / label).mkdir()
        for name in ("IM00001", "1.2.840.113", "scan.dcm"):
            (tmp_path / label / name).write_bytes(encoded(ct()))
        (tmp_path / label / "LIESMICH").write_text("no image")
    found = [(row.cells["label"], row.id) for row in read_folders(tmp_path)]
    assert found == [
        (label, f"{label}-{name}")
        for label in ("clear", "mass")
        for name in ("1.2.840.113", "IM00001", "scan")
    ]
