"""A sign stands in every text of a DICOM header, and in nothing that is made of it."""

import io
import json
import subprocess
import sys
import textwrap
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid

from testing.dicom import CANARY, ct, encoded, with_canary
from testing.isic import IsicArchive
from testing.places import ROOT
from testing.project import Project, lay_out
from tests.extraction.test_extract import OPTIONS
from verdict.extraction.dicom.file import DicomFile
from verdict.extraction.extract import extract
from verdict.extraction.images import convert
from verdict.records.shards import read_records
from verdict.tasks.melanoma.archive.layout import FILES
from verdict.tasks.melanoma.table import Options, read_table

#: The sign, or the half of it that stands before a name's mark.
SIGN = CANARY.split("^")[0]


def in_jpeg() -> bytes:
    header = ct()
    header.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
    header.PixelData = pydicom.encaps.encapsulate([CANARY.encode() * 20])
    header["PixelData"].VR = "OB"
    return with_canary(header)


def burned_in() -> bytes:
    before = b"(\0\x01\x03CS" + (len(CANARY) + 1).to_bytes(2, "little")
    data = with_canary(ct())
    assert before in data
    start = data.index(before) + len(before)
    return data[:start] + b"YES".ljust(len(CANARY) + 1) + data[start + len(CANARY) + 1 :]


#: Files that cannot be shown, each with the sign where it fails and everywhere else.
FAILING: dict[str, Callable[[], bytes]] = {
    "no pixels": lambda: with_canary(ct(PixelData=None)),
    "float pixels": lambda: with_canary(ct(PixelData=None, FloatPixelData=bytes(48 * 64 * 4))),
    "burned in": burned_in,
    "frames": lambda: with_canary(ct(np.zeros((3, 4, 4), np.uint16), NumberOfFrames=3)),
    "truncated": lambda: with_canary(ct())[:-3000],
    "cut in the header": lambda: with_canary(ct())[:90_000],
    "pixels": lambda: with_canary(ct(Rows=60_000, Columns=60_000)),
    "jpeg": in_jpeg,
    **{
        keyword: lambda keyword=keyword: with_canary(ct(), keyword)  # type: ignore[misc]
        for keyword in (
            "PhotometricInterpretation", "NumberOfFrames", "WindowCenter", "WindowWidth",
            "RescaleSlope", "VOILUTFunction", "TransferSyntaxUID", "VOILUTSequence",
            "ModalityLUTSequence",
        )
    },
}  # fmt: skip


def test_the_file_has_the_sign_everywhere() -> None:
    data = with_canary(ct())
    header = pydicom.dcmread(io.BytesIO(data))
    assert data.count(CANARY.encode()) > 5000
    assert header.preamble is not None
    assert CANARY.encode() in header.preamble
    for keyword in ("PatientName", "BurnedInAnnotation", "Modality", "InstitutionName"):
        assert CANARY.encode() in bytes(str(header[keyword].value), "ascii")
    assert sum(element.tag.is_private for element in header) > 18


@pytest.mark.fault("images")
@pytest.mark.parametrize("kind", ["fine", "fine groups", *FAILING])
def test_no_message_and_no_picture_holds_text_of_the_header(
    kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    groups = ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
    fine = with_canary(ct(), *(groups if "groups" in kind else []))
    data = FAILING[kind]() if kind in FAILING else fine
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pydicom\.|verdict\.extraction\.dicom")
        said = ""
        try:
            assert SIGN.encode() not in convert(data, OPTIONS)
        except ValueError as error:
            said = "".join(traceback.format_exception(error))
        else:
            assert DicomFile(data).attributes == {}
    assert bool(said) == (kind in FAILING)
    assert SIGN not in said
    assert SIGN not in "".join(capfd.readouterr())
    assert SIGN not in caplog.text


@pytest.mark.fault("images")
def test_a_process_that_logs_and_warns_of_everything_says_nothing_of_a_header(
    tmp_path: Path,
) -> None:
    """As predict reads it; pytest has filters of its own, which would hide what is said."""
    for name, make in {"fine": lambda: with_canary(ct()), **FAILING}.items():
        (tmp_path / name).write_bytes(make())
    code = """
        import logging, sys
        from pathlib import Path
        logging.basicConfig(level=logging.DEBUG)
        from tools.predict.answering import Question, _images
        from verdict.extraction.dicom.series import slices_of
        from verdict.params.file import read_params
        options = read_params().extract
        for path in sorted(Path(sys.argv[1]).iterdir()):
            print(path.name, (_images(options, Question("", (path,)))[1] or "read"))
        try:
            slices_of(Path(sys.argv[1]), 2)
        except ValueError as error:
            print("series", error)
    """
    run = [sys.executable, "-W", "always", "-c", textwrap.dedent(code), str(tmp_path)]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == 2 + len(FAILING)
    assert "fine read" in ended.stdout
    assert "series holds " in ended.stdout
    assert SIGN not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("header", "attributes"),
    [
        ({"PatientSex": "F", "PatientAge": "047Y"}, {"sex": "female", "age_band": "40-49"}),
        ({"PatientSex": "M", "PatientAge": "089Y"}, {"sex": "male", "age_band": "80-89"}),
        ({"PatientSex": "o ", "PatientAge": "090Y"}, {"sex": "other", "age_band": "90+"}),
        ({"PatientAge": "030M"}, {"age_band": "0-9"}),
        ({"PatientAge": "400W"}, {"age_band": "0-9"}),
        ({"PatientAge": "Anna"}, {}),
        ({"BodyPartExamined": "CHEST"}, {"site": "chest"}),
        ({"BodyPartExamined": "MEIER"}, {}),
        ({"Modality": "MEIER"}, {"modality": None}),
        ({"PatientName": "A", "PatientID": "7", "StudyDate": "20200101"}, {}),
    ],
)  # fmt: skip
def test_only_known_terms_become_attributes(
    header: dict[str, str], attributes: dict[str, str | None]
) -> None:
    expected = {"modality": "CT"} | attributes
    expected = {name: value for name, value in expected.items() if value}
    assert DicomFile(encoded(ct(**header))).attributes == expected


def dicom_archive(archive: IsicArchive, **elements: Any) -> Path:
    """Write an archive whose images are DICOM files, with and without a suffix."""
    folder = archive.write()
    with zipfile.ZipFile(folder / FILES["images"], "w") as images:
        for number, name in enumerate(archive.images):
            pixels = np.random.default_rng(number).integers(0, 4000, (40, 50)).astype(np.uint16)
            data = with_canary(ct(pixels)) if number % 2 else encoded(ct(pixels, **elements))
            images.writestr(f"train/{name}{'.dcm' if number % 3 else ''}", data)
        images.writestr("DICOMDIR", bytes(128) + b"DICM")
        images.writestr("LIESMICH", "nothing")
    return folder


def test_a_header_adds_only_what_the_table_does_not_have(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    header = {"PatientSex": "M", "PatientAge": "050Y", "BodyPartExamined": "SKIN", "Modality": "XC"}
    folder = dicom_archive(isic(images=6), **header)
    table = read_table(folder, Options())
    extract(table, OPTIONS, tmp_path / "records")
    records = read_records(tmp_path / "records")
    # The table has sex, age and site, if not of every row.
    assert [record.attributes.get("modality") for record in records] == ["XC", None] * 3
    assert [record.attributes.get("sex") for record in records[:3]] == [None, "female", "female"]
    assert {record.attributes["site"] for record in records} == {"torso"}
    assert not any("age_band" in record.attributes for record in records)
    for row in table.rows:
        row.attributes.clear()
    extract(table, OPTIONS, tmp_path / "records")
    found = [record.attributes for record in read_records(tmp_path / "records")]
    named = {"sex": "male", "age_band": "50-59", "site": "skin", "modality": "XC"}
    assert found == [named, {}] * 3


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return lay_out(tmp_path_factory.mktemp("dicom") / "project")


def test_the_real_stages_read_dicom_and_write_nothing_of_its_header(
    project: Project, isic: Callable[..., IsicArchive]
) -> None:
    archive = isic(images=60)
    folder = dicom_archive(archive)
    changes: dict[tuple[str, ...], Any] = {("fetch", "source"): "files"}
    for key, name in FILES.items():
        changes["fetch", "files", key, "address"] = str(folder / name)
    changes["extract", "dicom", "window"] = {"center": 1000.0, "width": 4000.0}
    project.edit(changes | {("fetch", "local"): str(folder)})
    said = "".join(
        project.run("python", "-m", f"stages.{stage}").stdout
        for stage in ("fetch", "extract", "split")
    )
    counts = json.loads((project.root / "metrics/extract.json").read_text())
    assert (counts["records"], counts["rejected"]) == (60, 0)
    records = read_records(project.root / "data/records")
    assert sum(record.attributes.get("modality") == "CT" for record in records) == 30
    assert list((project.root / "data/splits").iterdir())
    assert SIGN not in said
    assert holding(project.root) == []

    # What cannot be shown is named, and the old records stay; or it is left out and counted.
    with zipfile.ZipFile(folder / FILES["images"], "w") as images:
        broken = iter(FAILING.items())
        reasons = {}
        for name in archive.images:
            kind, make = next(broken, ("fine", lambda: with_canary(ct())))
            images.writestr(f"train/{name}.dcm", make())
            reasons |= {} if kind == "fine" else {name: kind}
    project.edit({("extract", "dicom", "window"): "file"})
    project.run("python", "-m", "stages.fetch")
    failed = project.run("python", "-m", "stages.extract", check=False)
    assert failed.returncode != 0
    assert f"{len(reasons)} images cannot be used" in failed.stdout
    project.edit({("extract", "max_rejected"): len(reasons)})
    said = failed.stdout + project.run("python", "-m", "stages.extract").stdout
    counts = json.loads((project.root / "metrics/extract.json").read_text())
    assert {each["id"] for each in counts["rejections"]} == set(reasons)
    assert SIGN not in said
    assert holding(project.root) == []


def holding(root: Path) -> list[str]:
    """Return what holds the sign; the published files, as they came, are not asked about."""
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and "data/raw" not in str(path) and path.name != "dicom.py"
        if SIGN.encode() in path.read_bytes()
    ]
