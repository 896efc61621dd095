"""A series of DICOM files as one record: sorted by position, evenly chosen, or refused."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import uid

from testing.dicom import CANARY, ct, encoded, with_canary
from verdict.extraction.dicom.series import slices_of

AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]
SERIES = uid.UID("1.2.826.0.1.3680043.8.498.7")


def write(folder: Path, places: dict[str, float], orientation: list[float] | None = None) -> Path:
    """Write a slice at each place along z (x for a sagittal one), by the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    orientation = orientation or AXIAL
    axis = 0 if orientation == SAGITTAL else 2
    for name, place in places.items():
        position = [-120.0, -80.0, -100.0]
        position[axis] = place
        header = ct(
            np.full((8, 8), 1024, np.uint16),
            ImageOrientationPatient=orientation,
            ImagePositionPatient=position,
            SeriesInstanceUID=SERIES,
        )
        (folder / name).write_bytes(encoded(header))
    return folder


def series(folder: Path, count: int = 12, **elements: float) -> Path:
    """Write slices 2.5 mm apart whose names are not in the order of their positions."""
    rng = np.random.default_rng(0)
    names = [f"IM{number:04d}" for number in rng.permutation(count)]
    return write(folder, {name: 2.5 * i - 40 for i, name in enumerate(names)}, **elements)


def at(paths: tuple[Path, ...], axis: int = 2) -> list[float]:
    import pydicom

    return [float(pydicom.dcmread(path).ImagePositionPatient[axis]) for path in paths]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [6]), (2, [3, 9]), (3, [2, 6, 10]), (4, [1, 4, 7, 10]), (12, list(range(12)))],
)
def test_slices_are_chosen_evenly_in_the_order_of_their_positions(
    tmp_path: Path, count: int, expected: list[int]
) -> None:
    folder = series(tmp_path / "series")
    assert at(slices_of(folder, count)) == [2.5 * place - 40 for place in expected]


def test_any_orientation_is_sorted_along_its_normal_whichever_way_it_points(tmp_path: Path) -> None:
    places = {"a": 12.0, "b": 4.0, "c": 8.0}
    folder = write(tmp_path / "sagittal", places, SAGITTAL)
    assert at(slices_of(folder, 3), axis=0) == [4.0, 8.0, 12.0]
    turned = write(tmp_path / "turned", places, [-1, 0, 0, 0, 1, 0])
    assert [path.name for path in slices_of(turned, 3)] == ["b", "c", "a"]


def test_headers_that_round_are_one_orientation(tmp_path: Path) -> None:
    folder = write(tmp_path / "series", {"a": 0.0, "b": 1.0})
    write(folder, {"c": 2.004}, [0.9999, 0.001, 0, 0, 0.9999, 0])
    assert [path.name for path in slices_of(folder, 3)] == ["a", "b", "c"]


@pytest.mark.fault("images")
def test_two_orientations_are_refused_by_name(tmp_path: Path) -> None:
    folder = series(tmp_path / "series")
    write(folder, {"scout": 0.0}, SAGITTAL)
    with pytest.raises(ValueError, match=r"two orientations, IM0000 and scout: leave out"):
        slices_of(folder, 2)


@pytest.mark.fault("images")
def test_missing_and_double_slices_are_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "gap", {"a": 0.0, "b": 2.5, "d": 7.5, "e": 10.0})
    with pytest.raises(
        ValueError, match=r"lacks slices between b and d, which are 5\.00 mm apart where 2\.50 mm"
    ):
        slices_of(folder, 2)
    twice = write(tmp_path / "twice", {"a": 0.0, "b": 2.5, "c": 2.5, "d": 5.0, "e": 7.5})
    with pytest.raises(ValueError, match=r"two slices at one position, b and c"):
        slices_of(twice, 2)


@pytest.mark.fault("images")
def test_what_is_no_slice_of_the_series_is_named(tmp_path: Path) -> None:
    folder = series(tmp_path / "series")
    with pytest.raises(ValueError, match="holds 12 slices, fewer than the 20 that are asked for"):
        slices_of(folder, 20)
    other = tmp_path / "other"
    write(other, {"a": 0.0, "b": 1.0})
    (other / "c").write_bytes(
        encoded(ct(SeriesInstanceUID=f"{SERIES}.1", ImageOrientationPatient=AXIAL,
                   ImagePositionPatient=[0, 0, 2]))
    )  # fmt: skip
    with pytest.raises(ValueError, match="holds two series, that of a and that of c"):
        slices_of(other, 2)
    (other / "c").write_bytes(encoded(ct(ImageOrientationPatient=AXIAL)))
    with pytest.raises(ValueError, match=r"holds c, which does not say where it lies"):
        slices_of(other, 2)
    (other / "c").write_bytes(encoded(ct())[:200])
    with pytest.raises(ValueError, match=r"holds c, which does not "):
        slices_of(other, 2)
    (other / "c").unlink()
    (other / "c.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"holds c\.png, which is no DICOM file"):
        slices_of(other, 2)


def test_nothing_of_a_header_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "series", {"a": 0.0, "b": 1.0})
    (folder / "c").write_bytes(with_canary(ct(), "ImagePositionPatient"))
    with pytest.raises(ValueError, match="holds c, which ") as raised:
        slices_of(folder, 2)
    assert CANARY not in str(raised.value)
