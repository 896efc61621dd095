"""The picture in a DICOM file, and the little of its header that may be known.

A header names the patient in any text, and libraries repeat texts in errors and warnings. So of
header and library nothing is said in a message but numbers and words that stand in this file.
"""

import importlib
import io
import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.encaps import get_frame
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.pixels import apply_color_lut, pixel_array

from verdict.extraction.dicom.attributes import attributes_of, term
from verdict.extraction.dicom.bare import bare_copy
from verdict.extraction.dicom.shades import windowed
from verdict.params.data import Dicom
from verdict.records.archive import MAX_MEMBER_BYTES
from verdict.records.image_files import UnusableError

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom\.|verdict\.extraction\.dicom")

#: What turns stored numbers into shades; an enhanced file has it for each frame (PS3.3, C.7.6.16).
_RULES = (
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
)  # fmt: skip
_MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_HTJ2K = (uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL)
#: What decodes a compressed syntax that pydicom itself does not: package, module and syntaxes.
_DECODERS = (
    ("pylibjpeg-libjpeg", "libjpeg", (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes)),
    ("pylibjpeg-openjpeg", "openjpeg", (*uid.JPEG2000TransferSyntaxes, *_HTJ2K)),
)


class DicomFile:
    """A DICOM file whose header is read, and its pixels not yet.

    Raises:
        ValueError: it is damaged, or is larger than allowed when unpacked.
    """

    def __init__(self, data: bytes):
        with undamaged():
            _check_unpacked(data)
            self._header = pydicom.dcmread(io.BytesIO(data))

    @property
    def pixels(self) -> int:
        """How many a frame has.

        Raises:
            ValueError: the file holds no picture.
        """
        with undamaged():
            if "PixelData" not in self._header:
                kind = (
                    "pixels that are no whole numbers, whose brightness range is not known"
                    if {"FloatPixelData", "DoubleFloatPixelData"} & set(self._header.dir())
                    else "no pixels (a report, a plan, a curve …)"
                )
                raise UnusableError(f"holds {kind}: leave it out")
            return int(self._header.Rows) * int(self._header.Columns)

    def picture(self, options: Dicom) -> Image.Image:
        """Return a frame as it is to be shown, in mode L or RGB.

        Raises:
            ValueError: it is damaged, says that text is burned into it, has several frames of
                which none is chosen, or is of a kind that is not read.
        """
        with undamaged():
            header = self._header
            if term(header, "BurnedInAnnotation") == "YES":
                raise UnusableError(
                    "says that text is burned into its pixels, which may name the patient: have "
                    "it removed, or leave the image out"
                )
            frame = _frame(header, options.frame)
            decoder = _decoder(header, frame)
            stored = pixel_array(header, index=frame, decoding_plugin=decoder, view_only=True)
            kind = header.PhotometricInterpretation
            if kind == "PALETTE COLOR":
                return _of_8_bits(apply_color_lut(stored, header), _palette_bits(header))
            if kind in _COLOURS and stored.ndim == 3 and stored.shape[2] == 3:
                return _of_8_bits(stored, int(header.BitsStored))
            if kind not in ("MONOCHROME1", "MONOCHROME2") or stored.ndim != 2:
                raise UnusableError(
                    "has a photometric interpretation that is not read: convert it to RGB or "
                    "MONOCHROME2"
                )
            _lift(header, frame)
            return windowed(stored, header, options.window)

    def bare(self) -> bytes:
        """As ``bare_copy``; of a file that ``picture`` shows."""
        with undamaged():
            return bare_copy(self._header)

    @property
    def attributes(self) -> dict[str, str]:
        """As ``attributes_of``."""
        with undamaged():
            return attributes_of(self._header)


@contextmanager
def undamaged() -> Iterator[None]:
    """Say of whatever the library raises that the file is damaged, and nothing of what it said."""
    try:
        yield
    except (UnusableError, MemoryError):
        raise
    except Exception as error:
        # For damaged or odd bytes it promises no kind, and its text holds values of the header.
        raise ValueError(
            f"does not decode: it is a damaged DICOM file ({type(error).__name__})"
        ) from None


def _check_unpacked(data: bytes) -> None:
    """Refuse a file that is deflated as a whole and would fill the memory when it is unpacked."""
    file = io.BytesIO(data)
    read_preamble(file, force=False)
    if _read_file_meta_info(file).get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacking.decompress(file.read(), MAX_MEMBER_BYTES)
    if unpacking.unconsumed_tail:
        raise UnusableError(f"unpacks to more than {MAX_MEMBER_BYTES:,} bytes")


def _frame(header: pydicom.Dataset, rule: str) -> int:
    """Return the position of the frame to be shown: the only one, or that in the middle."""
    frames = _frames(header)
    if frames > 1 and rule == "only":
        raise UnusableError(
            f"holds {frames} frames, and which one is meant is not known: set extract.dicom.frame "
            "to middle, or save that one as a file of its own"
        )
    return frames // 2


def _frames(header: pydicom.Dataset) -> int:
    return max(1, int(header.get("NumberOfFrames") or 1))


def _decoder(header: pydicom.Dataset, frame: int) -> str:
    """Return which of pydicom's plugins decodes a frame; there is one, and what it finds is small.

    A compressed frame states its size a second time, and memory is taken for that one.
    """
    syntax = header.file_meta.TransferSyntaxUID
    if syntax not in uid.AllTransferSyntaxes:
        raise UnusableError("is in no transfer syntax of the standard: save it uncompressed")
    if syntax == uid.RLELossless or not syntax.is_encapsulated:
        return "pydicom" if syntax == uid.RLELossless else ""
    no_decoder = f"is compressed ({syntax.name}) and there is no decoder: "
    found = [(package, module) for package, module, them in _DECODERS if syntax in them]
    if not found:
        raise UnusableError(f"{no_decoder}save it uncompressed")
    ((package, module),) = found
    try:
        codec = importlib.import_module(module)
    except ImportError:
        raise UnusableError(f"{no_decoder}install the package {package}") from None
    offsets = [header.get(f"ExtendedOffsetTable{end}") for end in ("", "Lengths")]
    stated = codec.get_parameters(
        get_frame(
            header.PixelData,
            frame,
            number_of_frames=_frames(header),
            extended_offsets=tuple(offsets) if all(offsets) else None,
        )
    )
    if (stated["rows"], stated["columns"]) != (header.Rows, header.Columns):
        raise UnusableError("is damaged: header and compressed pixels state different sizes")
    return "pillow" if syntax == uid.JPEGBaseline8Bit else "pylibjpeg"


def _lift(header: pydicom.Dataset, frame: int) -> None:
    """Write what an enhanced file says of all frames, and of this one, to where others have it."""
    for sequence, position in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", frame),
    ):
        if not header.get(sequence):
            continue
        group = header[sequence].value[position]
        for macro in (group[name].value[0] for name in _MACROS if group.get(name)):
            for name in _RULES:
                if name in macro:
                    header[name] = macro[name]


def _of_8_bits(pixels: np.ndarray, bits: int) -> Image.Image:
    if bits != 8:
        pixels = np.rint(pixels * (255 / (2**bits - 1)))
    return Image.fromarray(pixels.astype(np.uint8))


def _palette_bits(header: pydicom.Dataset) -> int:
    return int(header.RedPaletteColorLookupTableDescriptor[2])
