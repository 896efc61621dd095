"""Small DICOM files, made here; and one that has a sign in every text of its header."""

import io
from functools import cache
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element
from pydicom.tag import BaseTag, Tag

#: What no output may hold.
CANARY = "Kanarienvogel^Hansi"
_SIGN = f"{CANARY} ".encode()  # of an even length, as the standard demands

#: VRs that hold text, by PS3.5, 6.2; and UN, which may hold anything.
_TEXTS = (
    "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UN",
    "UR", "UT",
)  # fmt: skip
#: What an image cannot be read without: these keep their values, or are absent.
_NEEDED = {
    "PhotometricInterpretation", "NumberOfFrames", "TransferSyntaxUID", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "VOILUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
}  # fmt: skip


def ct(pixels: np.ndarray | None = None, **elements: Any) -> pydicom.FileDataset:
    """Return a slice of CT in Hounsfield units + 1024, with elements by keyword; None takes one."""
    if pixels is None:
        pixels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.826.0.1.3680043.8.498.1")
    header = pydicom.FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": pixels.shape[-2] if pixels.shape[-1] != 3 else pixels.shape[-3],
        "Columns": pixels.shape[-1] if pixels.shape[-1] != 3 else pixels.shape[-2],
        "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "WindowCenter": [40, 50],
        "WindowWidth": [400, 350],
        "PixelData": pixels.tobytes(),
    }
    for keyword, value in (values | elements).items():
        if value is not None:
            setattr(header, keyword, value)
    return header


def encoded(header: pydicom.FileDataset) -> bytes:
    """Return the bytes of a file."""
    buffer = io.BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def with_canary(header: pydicom.FileDataset, *besides: str) -> bytes:
    """Return a file with the sign in every text: preamble, meta, nested and private elements.

    Args:
        besides: elements that an image cannot be read without, and that have it all the same.
    """
    elements = {element.tag: _written(element) for element in correct_ambiguous_vr(header, True)}
    meta = {element.tag: _written(element) for element in header.file_meta}
    for tag, (keyword, data) in _canaries().items():
        if keyword not in _NEEDED or keyword in besides:
            (meta if tag.group == 2 else elements)[tag] = data
    meta.pop(Tag(0x00020000), None)
    of_meta = b"".join(data for _, data in sorted(meta.items()))
    length = b"\x02\0\0\0UL\x04\0" + len(of_meta).to_bytes(4, "little")
    preamble = CANARY.encode().ljust(128, b"!")
    body = b"".join(data for _, data in sorted(elements.items()))
    return preamble + b"DICM" + length + of_meta + body


@cache
def _canaries() -> dict[BaseTag, tuple[str, bytes]]:
    """Return every element of text and every sequence with the sign, encoded, by its tag."""
    nested = b""
    for _ in range(2):  # an item in an item
        names = [_element(Tag(number), "PN") for number in (0x00100010, 0x00101005)]
        item = nested + b"".join(names)
        nested = b"\xfe\xff\0\xe0" + len(item).to_bytes(4, "little") + item
        nested = _element(Tag(0x00081199), "SQ", nested)
    item = nested[12:]
    found = {
        Tag(number): (keyword, _element(Tag(number), vr, item if vr == "SQ" else _SIGN))
        for number, (vr, _, _, _, keyword) in DicomDictionary.items()
        if number >> 16 and (vr in _TEXTS or vr == "SQ")
    }
    found[Tag(0x000B0010)] = "", _element(Tag(0x000B0010), "LO")
    for offset, vr in enumerate((*_TEXTS, "SQ"), start=0x1000):
        tag = Tag(0x000B0000 + offset)
        found[tag] = "", _element(tag, vr, item if vr == "SQ" else _SIGN)
    return found


def _element(tag: BaseTag, vr: str, value: bytes = _SIGN) -> bytes:
    """Return an element in explicit VR, little endian, whatever its VR demands of a value."""
    start = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") + vr.encode()
    if vr in pydicom.valuerep.EXPLICIT_VR_LENGTH_32:
        return start + b"\0\0" + len(value).to_bytes(4, "little") + value
    return start + len(value).to_bytes(2, "little") + value


def _written(element: pydicom.DataElement) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element)
    return buffer.getvalue()
