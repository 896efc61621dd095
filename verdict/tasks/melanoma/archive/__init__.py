"""The published archive's layout, and a synthetic archive in it."""

from verdict.tasks.melanoma.archive.layout import FILES, OPTIONAL
from verdict.tasks.melanoma.archive.options import Embedded
from verdict.tasks.melanoma.archive.synthetic import write_archive

__all__ = ["FILES", "OPTIONAL", "Embedded", "write_archive"]
