"""Which files hold an image: by their names, and DICOM, which often has no suffix, by its mark."""

from collections.abc import Callable
from pathlib import Path, PurePath

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dcm"}
#: What messages say of them.
EXPECTED = f"{', '.join(sorted(_SUFFIXES))}, or DICOM without a suffix"
#: Bytes that a DICOM file is known by: a preamble of any content, and four letters (PS3.10, 7.1).
_HEAD = 132


class UnusableError(ValueError):
    """The file is not damaged, and still holds no picture that can be used; the text says why."""


def is_dicom(head: bytes) -> bool:
    """Tell from the first bytes of a file, or all of them, whether it is a DICOM file."""
    return head[_HEAD - 4 : _HEAD] == b"DICM"


def image_name(path: PurePath, read: Callable[[int], bytes]) -> str | None:
    """Return an image file's name without its suffix, or None where it is none.

    Args:
        read: returns so many bytes from the file's beginning; asked only where the name does not
            tell. A scanner names files ``IM00001``, or by numbers with dots, which are no suffix.
    """
    if path.name.startswith("."):
        return None
    if path.suffix.lower() in _SUFFIXES:
        return path.stem
    unnamed = not path.suffix or path.suffix[1:].isdigit()
    # A DICOMDIR (PS3.10, 8.6) lists the others and has no picture.
    if unnamed and path.name != "DICOMDIR" and is_dicom(read(_HEAD)):
        return path.name
    return None


def image_at(path: Path) -> str | None:
    """Return ``image_name`` of what is at a path of this machine."""

    def read(length: int) -> bytes:
        # Whoever reads a pipe or a device may wait for ever.
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(length)

    try:
        return image_name(path, read)
    except OSError:
        return None
