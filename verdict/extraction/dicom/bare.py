"""A copy of a DICOM file with the same picture, and no more of the header than is read of it."""

import hashlib
import io

import pydicom
from pydicom import uid

from verdict.extraction.dicom.attributes import AGE_BANDS, attributes_of, term
from verdict.extraction.dicom.shades import FUNCTIONS

#: Numbers, and the pixels.
_NUMBERS = (
    "SamplesPerPixel", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "RescaleSlope",
    "RescaleIntercept", "WindowCenter", "WindowWidth", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "PixelData", "LUTDescriptor", "LUTData",
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")
    ),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)  # fmt: skip
#: Words that an image is read by, in the only ways that it is.
_WORDS = {
    "PhotometricInterpretation": (
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT",
        "YBR_RCT",
    ),
    "VOILUTFunction": tuple(FUNCTIONS),
    "BurnedInAnnotation": ("YES", "NO"),
}  # fmt: skip
_SEQUENCES = (
    "ModalityLUTSequence", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence",
)  # fmt: skip


def bare_copy(header: pydicom.FileDataset) -> bytes:
    """Return the bytes of a copy; the same file gives the same bytes."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = header.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    digest = hashlib.sha256(header.PixelData).hexdigest()
    meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=[digest])
    implicit, little = header.original_encoding
    copy = pydicom.FileDataset(
        "", _bare(header), bytes(128), meta, bool(implicit), is_little_endian=bool(little)
    )
    copy.SOPClassUID = meta.MediaStorageSOPClassUID
    copy.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    known = attributes_of(header)
    if "age_band" in known:
        copy.PatientAge = AGE_BANDS[known["age_band"]]
    for name, keyword in (
        ("sex", "PatientSex"), ("site", "BodyPartExamined"), ("modality", "Modality"),
    ):  # fmt: skip
        if name in known:
            setattr(copy, keyword, term(header, keyword))
    buffer = io.BytesIO()
    copy.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _bare(header: pydicom.Dataset) -> pydicom.Dataset:
    copy = pydicom.Dataset()
    for keyword in _NUMBERS:
        if keyword in header:
            copy[keyword] = header[keyword]
    for keyword, words in _WORDS.items():
        if (word := term(header, keyword)) in words:
            setattr(copy, keyword, word)
    for keyword in _SEQUENCES:
        if header.get(keyword):
            setattr(copy, keyword, [_bare(item) for item in header[keyword].value])
    return copy
