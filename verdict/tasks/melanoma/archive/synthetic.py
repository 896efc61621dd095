"""A synthetic archive in the layout of SIIM-ISIC 2020, so that the pipeline runs offline.

The lesions are drawn, not photographed, and stand for nothing clinical: benign and malignant ones
differ, with overlap, in what the ABCD rule looks at (asymmetry, border, colour, diameter).
Patients have several images, some of both labels; some images are near-duplicates of others.
The same options give the same bytes on every x86-64 machine.
"""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from verdict.tasks.melanoma.archive.layout import COLUMNS, FILES
from verdict.tasks.melanoma.archive.lesions import draw_jpegs
from verdict.tasks.melanoma.archive.options import Embedded
from verdict.tasks.melanoma.archive.photographs import make_photographs


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive into ``folder``, which is made if it is not there.

    The files are those of SIIM-ISIC 2020: the JPEGs in one ZIP under ``train/``, the table, the
    table with lesions, and the list of near-duplicates, comma-separated with CRLF line ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photographs = make_photographs(options)
    with zipfile.ZipFile(folder / FILES["images"], "w", zipfile.ZIP_STORED) as archive:
        for name, content in draw_jpegs(photographs, options.seed, options.cast):
            member = zipfile.ZipInfo(f"train/{name}.jpg", date_time=(2020, 8, 1, 0, 0, 0))
            member.create_system = 3  # Unix, whatever this runs on
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)

    rows = [photograph.row() for photograph in photographs]
    _write_csv(folder / FILES["ground_truth"], COLUMNS, rows)
    _write_csv(folder / FILES["ground_truth_v2"], (*COLUMNS[:2], "lesion_id", *COLUMNS[2:]), rows)
    pairs = sorted(
        sorted((photograph.name, photograph.copy_of.name))
        for photograph in photographs
        if photograph.copy_of
    )
    names = ["image_name_1", "image_name_2"]
    _write_csv(
        folder / FILES["duplicates"], names, [dict(zip(names, p, strict=True)) for p in pairs]
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str | int]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
