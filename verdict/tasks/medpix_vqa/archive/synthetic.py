"""A synthetic archive in the layout of MedPix-VQA, so that the pipeline runs offline.

The scans are drawn and stand for nothing clinical; every question can be answered from its image.
As in the published set, an image is repeated for each question about it, and cases have several
images. The same options give the same bytes on every x86-64 machine.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from verdict.tasks.medpix_vqa.archive.cases import Scan, make_scans
from verdict.tasks.medpix_vqa.archive.layout import FILES, IMAGE, write_split
from verdict.tasks.medpix_vqa.archive.options import Embedded
from verdict.tasks.medpix_vqa.archive.scans import draw_png


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive into ``folder``, which is made if it is not there."""
    for split, scans in make_scans(options).items():
        count = sum(len(scan.questions) for scan in scans)
        write_split(folder / FILES[split], split, _rows(scans), count)


def _rows(scans: Iterable[Scan]) -> Iterator[dict[str, Any]]:
    for scan in scans:
        image = {"bytes": draw_png(scan), "path": f"{scan.name}.png"}
        for question, answer in scan.questions:
            yield {
                IMAGE: image,
                "mode": scan.modality,
                "case_id": scan.case,
                "question": question,
                "answer": answer,
            }
