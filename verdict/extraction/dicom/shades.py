"""Shades of grey, or colours of three windows, of the numbers that a DICOM file stores."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut

from verdict.extraction.dicom.attributes import term
from verdict.params.data import Window
from verdict.records.image_files import UnusableError

#: Windows on Hounsfield units that MedGemma saw CT through, in the order of red, green and blue.
#: Version 1: arXiv:2507.05201, 2.1; version 1.5: its notebook high_dimensional_ct_hugging_face,
#: whose ranges are −1024 to 1024, −135 to 215 and 0 to 80.
_OF_MEDGEMMA = {
    "medgemma": ((-100.0, 2250.0), (40.0, 350.0), (40.0, 80.0)),
    "medgemma_1_5": ((0.0, 2048.0), (40.0, 350.0), (40.0, 80.0)),
}
#: Pixels that are looked up at a time.
_BLOCK = 2**14

#: Shades of 0 to 255, not rounded, of numbers as they are after the modality's own scale.
_Shader = Callable[[np.ndarray], np.ndarray]


def windowed(stored: np.ndarray, header: pydicom.Dataset, window: str | Window) -> Image.Image:
    """Return a picture of 8 bits: grey, or of three windows in red, green and blue.

    Computed once for each number between the least and the greatest, not for each pixel.
    """
    if stored.dtype.itemsize > 2:
        numbers, stored_as = np.unique(stored, return_inverse=True)
        places = stored_as.reshape(stored.shape)
    else:
        numbers, places = np.arange(int(stored.min()), int(stored.max()) + 1), stored
    values = _values(numbers, header)
    shades = []
    for shade in _shaders(stored, header, window):
        shown = shade(values)
        if header.PhotometricInterpretation == "MONOCHROME1":
            shown = 255 - shown
        shades.append(np.rint(shown).astype(np.uint8))
    table = np.stack(shades, axis=-1) if len(shades) > 1 else shades[0]
    return Image.fromarray(_looked_up(table, places, int(numbers[0]) if places is stored else 0))


def _looked_up(table: np.ndarray, places: np.ndarray, first: int) -> np.ndarray:
    """Return a table's entries, the first of which is at ``first``; a few rows at a time.

    What numpy needs besides is then small enough for the processor's cache: a third of the time.
    """
    found = np.empty((*places.shape, *table.shape[1:]), np.uint8)
    rows = max(1, _BLOCK // places.shape[1])
    for start in range(0, len(places), rows):
        block = places[start : start + rows].astype(np.intp) - first
        found[start : start + rows] = table.take(block, axis=0)
    return found


def _shaders(stored: np.ndarray, header: pydicom.Dataset, window: str | Window) -> list[_Shader]:
    if isinstance(window, Window):
        return [_linear(window.center, window.width)]
    if window in _OF_MEDGEMMA:
        if term(header, "Modality") != "CT":
            raise UnusableError(
                f"is no CT, and extract.dicom.window {window} is in Hounsfield units: leave it "
                "out, or set another window"
            )
        return [_exact(center, width) for center, width in _OF_MEDGEMMA[window]]
    if header.get("VOILUTSequence"):
        return [_shades_of(header.VOILUTSequence[0], header)]
    if header.get("WindowCenter") is not None and header.get("WindowWidth") is not None:
        center, width = (_first(header[name].value) for name in ("WindowCenter", "WindowWidth"))
        if width < 1:
            raise UnusableError(
                "has a window without width: set extract.dicom.window, or leave the image out"
            )
        return [FUNCTIONS[term(header, "VOILUTFunction") or "LINEAR"](center, width)]
    return [_whole_range(stored, header)]


def _first(value: Any) -> float:
    return float(value if isinstance(value, str | float | int) else value[0])


def _linear(center: float, width: float) -> _Shader:
    """LINEAR of PS3.3, C.11.2.1.2.1: between the middles of the first and the last shade."""
    if width == 1:
        return lambda values: np.where(values <= center - 0.5, 0.0, 255.0)
    return lambda values: np.clip(((values - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


def _exact(center: float, width: float) -> _Shader:
    """LINEAR_EXACT of PS3.3, C.11.2.1.3.2: from center − width / 2 to center + width / 2."""
    return lambda values: np.clip(((values - center) / width + 0.5) * 255, 0, 255)


def _sigmoid(center: float, width: float) -> _Shader:
    """SIGMOID of PS3.3, C.11.2.1.3.1."""
    return lambda values: 255 / (1 + np.exp(-4 * (values - center) / width))


FUNCTIONS = {"LINEAR": _linear, "LINEAR_EXACT": _exact, "SIGMOID": _sigmoid}


def _shades_of(item: pydicom.Dataset, header: pydicom.Dataset) -> _Shader:
    """Return what a VOI LUT says (PS3.3, C.11.2.1.1)."""
    lookup, table = _table(item, header)
    # Some scanners write in how many bits an entry is stored, and use fewer.
    bits = min(int(item.LUTDescriptor[2]), max(8, int(table.max()).bit_length()))
    return lambda values: lookup(np.rint(values).astype(np.int64)) * (255 / (2**bits - 1))


def _table(item: pydicom.Dataset, header: pydicom.Dataset) -> tuple[_Shader, np.ndarray]:
    """Return how numbers are looked up in a table of the header, and its entries.

    Not by pydicom: it counts positions in 8 bits where entries have 8, so that the 257th is taken
    for the first, and of the modality's it reads no entries of 10 to 15 bits.
    """
    entries, first = (int(number) for number in item.LUTDescriptor[:2])
    entries, data = entries or 2**16, item.LUTData
    if isinstance(data, bytes):
        order = "<" if header.original_encoding[1] else ">"
        data = np.frombuffer(data, f"{order}u2" if len(data) >= 2 * entries else "u1")
    table = np.asarray(data, np.int64).reshape(-1)[:entries]
    return lambda numbers: table[np.clip(numbers - first, 0, len(table) - 1)], table


def _values(numbers: np.ndarray, header: pydicom.Dataset) -> np.ndarray:
    """Return stored numbers on the modality's own scale, Hounsfield units for example."""
    if header.get("ModalityLUTSequence"):
        lookup, _ = _table(header.ModalityLUTSequence[0], header)
        return lookup(numbers)
    return apply_modality_lut(numbers, header)


def _whole_range(stored: np.ndarray, header: pydicom.Dataset) -> _Shader:
    """Return the rule where a file has no window: of 8 bits their range, else the image's own."""
    bits = int(header.BitsStored)
    if bits <= 8:
        least = -(2 ** (bits - 1)) if header.PixelRepresentation else 0
        numbers = np.array([least, least + 2**bits - 1])
    else:
        padding = header.get("PixelPaddingValue")
        kept = stored if padding is None else stored[stored != int(padding)]
        kept = kept if kept.size else stored
        numbers = np.array([kept.min(), kept.max()], np.int64)
    ends = _values(numbers, header)
    low, high = float(ends.min()), float(ends.max())
    return lambda values: np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255)
