"""The published archive's layout, and a synthetic archive in it."""

from verdict.tasks.medpix_vqa.archive.layout import FILES, OPTIONAL
from verdict.tasks.medpix_vqa.archive.options import Embedded
from verdict.tasks.medpix_vqa.archive.synthetic import write_archive

__all__ = ["FILES", "OPTIONAL", "Embedded", "write_archive"]
