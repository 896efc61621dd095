"""DICOM files that cannot be shown: each says why, and what helps."""

import io
import sys
import zlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pydicom
import pytest
from pydicom import uid

from testing.dicom import ct, encoded
from testing.isic import IsicArchive
from tests.extraction.test_dicom import shipped
from tests.extraction.test_extract import OPTIONS
from verdict.extraction.dicom import file as dicom_file
from verdict.extraction.extract import folder_for
from verdict.extraction.images import convert
from verdict.tasks.melanoma.table import Options, read_table


def truncated() -> bytes:
    return encoded(ct())[:-1000]


def in_syntax(syntax: str, **elements: Any) -> bytes:
    header = ct(**elements)
    header.file_meta.TransferSyntaxUID = uid.UID(syntax)
    header.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(100)])
    header["PixelData"].VR = "OB"
    return encoded(header)


def larger_inside() -> bytes:
    """Return a file whose header states 2 × 2 pixels, and its JPEG 2000 stream 1024 × 256."""
    header = pydicom.dcmread(io.BytesIO(shipped("JPEG2000.dcm")))
    header.Rows = header.Columns = 2
    return encoded(header)


def deflated() -> bytes:
    data = encoded(ct())
    before = pydicom.dcmread(io.BytesIO(data))
    before.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    file = encoded(before)
    meta = 144 + int.from_bytes(file[140:144], "little")
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return file[:meta] + packing.compress(bytes(2**21)) + packing.flush()


def without_pixels(name: str | None = None, data: bytes = b"") -> bytes:
    header = ct(PixelData=None)
    if name:
        setattr(header, name, data)
    return encoded(header)


@pytest.mark.fault("images")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: without_pixels(), r"holds no pixels \(a report, a plan, a curve …\): leave it"),
        (lambda: shipped("waveform_ecg.dcm"), "holds no pixels"),
        (
            lambda: without_pixels("FloatPixelData", bytes(48 * 64 * 4)),
            "holds pixels that are no whole numbers, whose brightness range is not known",
        ),
        (truncated, r"does not decode: it is a damaged DICOM file \(ValueError\)"),
        (lambda: encoded(ct())[:400], "damaged DICOM file|holds no pixels"),
        (lambda: shipped("MR_truncated.dcm"), "damaged DICOM file"),
        (lambda: shipped("meta_missing_tsyntax.dcm"), "holds no pixels|damaged DICOM file"),
        (
            lambda: encoded(ct(Rows=60_000, Columns=60_000)),
            r"has 3,600.00 megapixels, more than extract\.max_megapixels \(200\) allows",
        ),
        (larger_inside, "is damaged: header and compressed pixels state different sizes"),
        (deflated, r"unpacks to more than 1,048,576 bytes"),
        (lambda: encoded(ct(BurnedInAnnotation="YES")), "says that text is burned into its pix"),
        (lambda: encoded(ct(WindowWidth=0)), r"has a window without width: set extract\.dicom"),
        (
            lambda: encoded(ct(PhotometricInterpretation="HSV")),
            "has a photometric interpretation that is not read: convert it to RGB or",
        ),
        (
            lambda: in_syntax(uid.MPEG2MPML),
            r"is compressed \(MPEG2 .*\) and there is no decoder: save it uncompressed",
        ),
        (lambda: in_syntax("1.2.3.4.5"), "is in no transfer syntax of the standard: save it un"),
        (lambda: in_syntax(uid.JPEGLossless), "damaged DICOM file"),
        (lambda: bytes(128) + b"DICM" + b"\x02\x00" + bytes(3000), "damaged DICOM file|no pix"),
        (lambda: bytes(128) + b"DICM", "damaged DICOM file|holds no pixels"),
    ],
)
def test_what_cannot_be_shown_says_why(
    data: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_file, "MAX_MEMBER_BYTES", 2**20)
    with pytest.raises(ValueError, match=reason):
        convert(data(), OPTIONS)


@pytest.mark.fault("images")
@pytest.mark.parametrize(
    ("name", "package"),
    [("SC_rgb_jpeg_gdcm.dcm", "pylibjpeg-libjpeg"), ("693_J2KI.dcm", "pylibjpeg-openjpeg")],
)
def test_a_decoder_that_is_not_installed_is_named(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package.removeprefix("pylibjpeg-"), None)
    with pytest.raises(ValueError, match=rf"is compressed \(JPEG .*install the package {package}"):
        convert(shipped(name), OPTIONS)


def test_other_images_need_no_decoder_of_dicom(
    isic: Callable[..., IsicArchive], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        if name.startswith("pylibjpeg-"):
            raise PackageNotFoundError(name)
        return "1.0"

    table = read_table(isic().write(), Options())
    here = folder_for(table, OPTIONS)
    monkeypatch.setattr("importlib.metadata.version", missing)
    assert folder_for(table, OPTIONS) != here


@pytest.mark.fault("images")
def test_a_lack_of_memory_is_not_the_file_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dicom_file, "pixel_array", failing)
    with pytest.raises(MemoryError):
        convert(encoded(ct()), OPTIONS)
