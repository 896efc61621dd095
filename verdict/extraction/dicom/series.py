"""A series of DICOM files, one slice each, as one record: some of its slices, in their order."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom

from verdict.extraction.dicom.file import undamaged
from verdict.records.image_files import UnusableError, image_at, is_dicom

#: What a slice's place is read off (PS3.3, C.7.6.2), and which slices belong together.
_TAGS = ["ImageOrientationPatient", "ImagePositionPatient", "NumberOfFrames", "SeriesInstanceUID"]
#: Cosines of two orientations that are the same, since headers round them.
_SAME_ORIENTATION = 0.01
#: A gap between two slices of so many times the usual one means that a slice is missing between
#: them; of less than so little of it, that two lie at one place.
_MISSING, _TWICE = 1.5, 0.1


class _Slice(NamedTuple):
    path: Path
    series: str
    #: Cosines of row and column, in the patient's axes (6).
    orientation: np.ndarray
    #: Of the first pixel, in mm (3).
    position: np.ndarray


def slices_of(folder: Path, count: int) -> tuple[Path, ...]:
    """Return ``count`` slices of the one series in a folder, in the order of their positions.

    The series is cut into as many equal parts, and of each the slice in the middle is taken. Slices
    are ordered along the normal of their plane, which the orientation gives: whatever their names
    and numbers say, from right to left, from front to back, or from the feet up.

    Raises:
        ValueError: there is none, there are two, slices of two orientations, a missing or a double
            slice, or fewer than ``count``; what is wrong with which file.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and image_at(path))
    if len(paths) < count:
        raise UnusableError(f"holds {len(paths)} slices, fewer than the {count} that are asked for")
    slices = [_slice(path) for path in paths]
    first = slices[0]
    for other in slices[1:]:
        if other.series != first.series:
            raise UnusableError(
                f"holds two series, that of {first.path.name} and that of {other.path.name}: give "
                "each a folder of its own"
            )
        if np.abs(other.orientation - first.orientation).max() > _SAME_ORIENTATION:
            raise UnusableError(
                f"holds slices of two orientations, {first.path.name} and {other.path.name}: leave "
                "out those that do not belong to the series, such as a scout"
            )
    ordered = _ordered(slices)
    parts = range(count)
    return tuple(ordered[(2 * part + 1) * len(ordered) // (2 * count)].path for part in parts)


def _ordered(slices: Sequence[_Slice]) -> list[_Slice]:
    orientation = slices[0].orientation
    normal = np.cross(orientation[:3], orientation[3:])
    # An axis of the patient grows to the left, to the back and to the head.
    normal *= np.sign(normal[np.abs(normal).argmax()])
    places = np.array([float(one.position @ normal) for one in slices])
    order = np.argsort(places, kind="stable")
    gaps = np.diff(places[order])
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    for gap, before, after in zip(gaps, order, order[1:], strict=False):
        names = f"{slices[before].path.name} and {slices[after].path.name}"
        if gap <= _TWICE * usual:
            raise UnusableError(f"holds two slices at one position, {names}: leave one out")
        if gap > _MISSING * usual:
            raise UnusableError(
                f"lacks slices between {names}, which are {gap:.2f} mm apart where {usual:.2f} mm "
                "are usual: bring the whole series"
            )
    return [slices[index] for index in order]


def _slice(path: Path) -> _Slice:
    with path.open("rb") as file:
        if not is_dicom(file.read(132)):
            raise UnusableError(f"holds {path.name}, which is no DICOM file: take it out")
    try:
        with undamaged():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
            if int(header.get("NumberOfFrames") or 1) > 1:
                raise UnusableError("has several frames, where a slice is due: leave it out")
            if not (header.get("ImageOrientationPatient") and header.get("ImagePositionPatient")):
                raise UnusableError(
                    "does not say where it lies (ImagePositionPatient, ImageOrientationPatient): "
                    "leave it out"
                )
            orientation = np.array(header.ImageOrientationPatient, dtype=float)
            position = np.array(header.ImagePositionPatient, dtype=float)
            orientation, position = orientation.reshape(6), position.reshape(3)
            return _Slice(path, str(header.get("SeriesInstanceUID")), orientation, position)
    except ValueError as error:
        raise ValueError(f"holds {path.name}, which {error}") from None
