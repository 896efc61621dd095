"""Read and check ``Folds.csv``, the published division of the images, from inside the archive."""

import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from verdict.core.errors import VerdictError
from verdict.records.archive import DAMAGE, directory
from verdict.records.raw import read_csv
from verdict.tasks.breakhis.archive.layout import (
    BENIGN,
    FOLDS,
    FOLDS_COLUMNS,
    FOLDS_FILE,
    MALIGNANT,
    SUBTYPES,
    ImageName,
    parse_name,
)

#: The published table has 6 MB.
_MAX_BYTES = 256 * 2**20
_GROUPS: dict[str, Literal["train", "test"]] = {"train": "train", "test": "test"}
_KINDS = {BENIGN, MALIGNANT, *SUBTYPES.values()}


@dataclass(frozen=True)
class Entry:
    """One row of ``Folds.csv``: an image, and whether its fold trains or tests on it."""

    image: ImageName
    fold: int
    group: Literal["train", "test"]


def read_folds(archive: Path) -> list[Entry]:
    """Return the rows of the archive's ``Folds.csv`` in their order.

    Raises:
        VerdictError: the archive has no such table or several, or a row is not as published:
            an unknown fold or group, a name that contradicts its folder or its magnification, or
            an image that a fold has twice.
    """
    path = _table(archive)
    entries: list[Entry] = []
    lines: dict[tuple[int, ImageName], int] = {}
    try:
        # zipfile's Path opens text as pathlib's does, which is all that is asked of it.
        rows = read_csv(cast(Path, path), FOLDS_COLUMNS)
    except (*DAMAGE, RuntimeError, OSError) as error:  # RuntimeError: it is encrypted
        raise VerdictError(f"{path} is damaged ({error}); fetch the archive again") from None
    for line, cells in enumerate(rows, start=2):
        try:
            entry = _entry(cells)
        except ValueError as error:
            raise VerdictError(f"{path} line {line}: {error}") from None
        first = lines.setdefault((entry.fold, entry.image), line)
        if first != line:
            raise VerdictError(
                f"{path} line {line}: fold {entry.fold} has {entry.image} in line {first} already; "
                "each image stands in a fold once"
            )
        entries.append(entry)
    if not entries:
        raise VerdictError(f"{path} has no rows; fetch the archive again")
    return entries


def _table(archive: Path) -> zipfile.Path:
    members = directory(archive)
    tables = [member for member in members if PurePosixPath(member.filename).name == FOLDS_FILE]
    if len(tables) != 1:
        raise VerdictError(
            f"{archive} has {len(tables) or 'no'} members called {FOLDS_FILE}, where one is "
            "needed; it is part of Kaggle's data set ambarish/breakhis, from which fetch.files "
            "should take the whole ZIP"
        )
    if tables[0].file_size > _MAX_BYTES:
        raise VerdictError(
            f"{archive}: {FOLDS_FILE} declares {tables[0].file_size:,} bytes, more than "
            f"{_MAX_BYTES:,}; is it the right archive?"
        )
    return zipfile.Path(archive, tables[0].filename)


def _entry(cells: dict[str, str]) -> Entry:
    image = _image(cells["filename"])
    if cells["mag"] != str(image.magnification):
        raise ValueError(f"mag is {cells['mag']!r}, but {image} was taken at {image.magnification}")
    if cells["fold"] not in map(str, FOLDS):
        raise ValueError(f"fold is {cells['fold']!r}; expected 1 to {len(FOLDS)}")
    group = _GROUPS.get(cells["grp"])
    if group is None:
        raise ValueError(f"grp is {cells['grp']!r}; expected train or test")
    return Entry(image, int(cells["fold"]), group)


@functools.lru_cache(maxsize=2**14)  # every fold names the same 7,909 images
def _image(filename: str) -> ImageName:
    path = PurePosixPath(filename)
    image = parse_name(path.stem)
    stated = [folder for folder in path.parent.parts if folder in _KINDS]
    if stated != [image.malignancy, image.subtype]:
        raise ValueError(
            f"{image} is {image.malignancy}, {image.subtype} by its name, but its folders say "
            f"{', '.join(stated) or 'neither'}"
        )
    return image
