"""A synthetic archive in the layout of BreakHis, so that the pipeline runs offline.

The tissue is drawn, not photographed, and stands for nothing clinical (see ``tissue``). The known
flaw of the data is planted: one slide in two classes, trained and tested on in folds 1, 3 and 5.
The same options give the same bytes on every x86-64 machine.
"""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from verdict.tasks.breakhis.archive.layout import FILES, FOLDS, FOLDS_COLUMNS, FOLDS_FILE
from verdict.tasks.breakhis.archive.options import Embedded
from verdict.tasks.breakhis.archive.slides import Slide, make_slides
from verdict.tasks.breakhis.archive.tissue import draw_pngs


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive into ``folder``, which is made if it is not there.

    It is one ZIP as Kaggle delivers it: ``Folds.csv``, and the images below ``BreaKHis_v1/``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slides = make_slides(options)
    with zipfile.ZipFile(folder / FILES["archive"], "w", zipfile.ZIP_STORED) as archive:
        _add(archive, FOLDS_FILE, _folds(slides))
        for image, content in draw_pngs(slides, options.seed):
            # The ZIP has one more folder around the images than the table says.
            _add(archive, f"BreaKHis_v1/{image.path}", content)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, date_time=(2019, 11, 1, 0, 0, 0))
    member.create_system = 3  # Unix, whatever this runs on
    member.external_attr = 0o644 << 16
    archive.writestr(member, content)


def _folds(slides: Sequence[Slide]) -> bytes:
    """Return ``Folds.csv``: every image once a fold, of training first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FOLDS_COLUMNS)
    for fold in FOLDS:
        for group in ("train", "test"):
            for slide in slides:
                if (fold in slide.tested_in) == (group == "test"):
                    writer.writerows(
                        (image.magnification, fold, group, image.path) for image in slide.images()
                    )
    return text.getvalue().encode()
