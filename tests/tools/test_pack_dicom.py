"""A folder of DICOM files and a table, packed for a task: pictures as they were, no names."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from testing.dicom import ct, encoded, with_canary
from tests.extraction.test_dicom_privacy import FAILING, SIGN
from tests.extraction.test_dicom_series import write as write_slices
from tests.extraction.test_extract import OPTIONS
from tools.folders import read_folders
from tools.new_task.__main__ import pack as pack_task
from tools.pack_isic import Columns, pack
from tools.packing import read_rows
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


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A folder of four series of six slices each, whose names are not in their order."""
    for patient in range(6):
        for place in range(6):
            write_slices(tmp_path / f"ct/p{patient}", {f"IM{(5 * place) % 6}": 2.0 * place})
    (tmp_path / "labels.csv").write_text(
        "id,finding,patient\n" + "".join(f"p{n},{'ab'[n % 2]},p{n}\n" for n in range(6))
    )
    return tmp_path / "ct"


def test_slices_of_each_series_become_one_record(series: Path, tmp_path: Path) -> None:
    columns = {"id": "id", "label": "finding", "group": "patient"}
    wording, _ = pack_task(series, tmp_path / "labels.csv", columns, tmp_path / "out", slices=3)
    assert wording.images == 3
    assert "Image 3: {image 3}\nWhat do these images show?" in wording.prompt
    with zipfile.ZipFile(tmp_path / "out/images.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("images/p4")]
        assert names == [f"images/p4-{number}.dcm" for number in (1, 2, 3)]
    rows = read_rows(series, tmp_path / "labels.csv", columns, slices=3)
    # The middle ones of the thirds: slices 1, 3 and 5.
    assert [path.name for path in rows[0].paths] == ["IM5", "IM3", "IM1"]


@pytest.mark.fault("own data")
def test_a_series_that_cannot_be_meant_is_named_with_its_row(series: Path, tmp_path: Path) -> None:
    columns = {"id": "id", "label": "finding", "group": "patient"}
    (series / "p2/IM3").unlink()
    (series / "p4").rename(series / "p9")
    with pytest.raises(VerdictError) as raised:
        read_rows(series, tmp_path / "labels.csv", columns, slices=3)
    said = str(raised.value)
    assert "labels.csv line 4: " in said
    assert "p2 lacks slices between IM4 and IM2, which are 4.00 mm apart where 2.00 mm" in said
    assert "line 6: there is no folder p4 in " in said


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
