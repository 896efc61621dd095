"""Images in folders without a table: their labels, and which files were left out."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tools.packing import Row, refuse
from verdict.core.errors import VerdictError
from verdict.records.image_files import EXPECTED, image_at
from verdict.records.raw import tidy

#: Names of folders that divide the images, and do not label them.
_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


def read_folders(images: Path) -> list[Row]:
    """Find the images of a folder that has one folder a label, and no table.

    A row's cells are ``id``, ``label`` (the folder's name) and ``group``: each image stands for
    itself, since nothing says which are of one patient.

    Raises:
        VerdictError: there are no such folders, they are splits, or two images get one id.
    """
    if not os.path.isdir(images):
        raise VerdictError(f"{images} is not a folder; --images expects the folder of images.")
    rows, first, faults = [], dict[str, Path](), []
    folders = sorted(path for path in images.iterdir() if path.is_dir() and path.name[0] != ".")
    if not folders:
        raise VerdictError(
            f"{images} has no folders in it. Without --table, expected is one folder a label with "
            "its images; else give --table, --id, --label and --group."
        )
    if splits := [path.name for path in folders if path.name.casefold() in _SPLITS]:
        raise VerdictError(
            f"{images} has the folders {', '.join(splits)}, which name splits and no labels. Give "
            f"one of them by --images (such as {images / splits[0]}), or write a table of all "
            "images and give --table."
        )
    for folder in folders:
        images_in = {path: name for path in sorted(folder.iterdir()) if (name := image_at(path))}
        if not images_in:
            faults.append(
                f"{folder} holds no images ({EXPECTED}); the images of a "
                "label lie in its folder, not deeper."
            )
        for path, stem in images_in.items():
            name = _as_id(f"{folder.name}-{stem}")
            if (other := first.setdefault(name.lower(), path)) != path:
                faults.append(f"{path} and {other} would have the same id {name}; rename one.")
            cells = {"id": name, "label": tidy(folder.name), "group": name}
            rows.append(Row(str(path), name, cells, (path,)))
    refuse(faults)
    return rows


def not_packed(folder: Path, rows: Iterable[Row], besides: Path | None) -> str:
    """Say how many files in and below a folder are no row's image, by their ending; or nothing.

    ``besides``, the table, is not counted.
    """
    used = [path for row in rows for path in row.paths]
    kinds = others_in(folder, [*used, *([besides] if besides else [])])
    return kinds and f"Files in {folder} that are no row's image and were not packed: {kinds}."


def others_in(folder: Path, used: Iterable[Path]) -> str:
    """Count the other files in and below a folder by their ending (``2 .dcm, 1 .gif``).

    And the folders that are links, which nobody enters; hidden files do not count.
    """
    known = {path.resolve() for path in used}
    rest = Counter(
        "linked folders" if path.is_dir() else path.suffix.lower() or path.name
        for path in folder.rglob("*")
        if path.name[0] != "."
        if (path.is_file() and path.resolve() not in known) or (path.is_dir() and path.is_symlink())
    )
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(rest.items()))


def _as_id(text: str) -> str:
    ascii_ = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", ascii_).lstrip(".-") or "image"
