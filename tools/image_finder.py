"""Find the images of a table's rows in somebody's folder: files, or slices of a DICOM series."""

import glob
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.extraction.dicom.series import slices_of
from verdict.records.image_files import EXPECTED, image_at


class ImageFinder:
    """Finds the images of rows in a folder that is listed once.

    Args:
        slices: where an image is a folder with a series of DICOM files, how many of them are taken.

    Raises:
        VerdictError: there is no such folder.
    """

    def __init__(self, folder: Path, slices: int | None):
        if not os.path.isdir(folder):
            raise VerdictError(f"{folder} is not a folder; --images expects the folder of images.")
        self._folder, self._slices = folder, slices
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.iterdir()):
            if name := image_at(path):
                self._by_stem[name].append(path)

    def find(self, where: str, name: str, cell: str | None) -> tuple[Path, ...]:
        """Return the row's file, as its ``--file`` cell says, or by its id; of a series several.

        Raises:
            VerdictError: there is none, or several; or a series that cannot be sorted.
        """
        if self._slices is not None:
            return self._series(where, name if cell is None else cell)
        if cell is not None:
            found = [path for path in self._meant_by(cell) if os.path.isfile(path)][:1]
            wanted = cell or "(an empty cell)"
        else:
            found = self._by_stem[name]
            wanted = f"{name}.*"
        if not found:
            others = sorted(path.name for path in self._folder.glob(f"{glob.escape(name)}.*"))
            raise VerdictError(
                f"{where}: there is no image {wanted} in {self._folder} "
                f"({EXPECTED}). "
                + (f"{', '.join(others)} is there; convert it, " if others else "Add it, ")
                + "or remove the row."
            )
        if len(found) > 1:
            raise VerdictError(
                f"{where}: {name} has several images, {' and '.join(path.name for path in found)}. "
                "Keep one, or name it in a column given by --file."
            )
        return (found[0],)

    def _series(self, where: str, cell: str) -> tuple[Path, ...]:
        assert self._slices is not None, "asked for"
        folder = next((path for path in self._meant_by(cell) if os.path.isdir(path)), None)
        if not cell or folder is None:
            raise VerdictError(
                f"{where}: there is no folder {cell or '(an empty cell)'} in {self._folder}, where "
                "--slices expects a series of DICOM files. Add it, or remove the row."
            )
        try:
            return slices_of(folder, self._slices)
        except ValueError as error:
            raise VerdictError(f"{where}: {folder} {error}.") from None

    def _meant_by(self, cell: str) -> Iterator[Path]:
        """Yield where a cell's path may lead: from the folder, or through one of its name.

        Not every file of the same name: test/1.png is another image than train/1.png.
        """
        yield self._folder / cell
        parts = Path(cell).parts
        for position, part in enumerate(parts[:-1], start=1):
            if part == self._folder.resolve().name:
                yield self._folder.joinpath(*parts[position:])
