"""The published archive's layout, and a synthetic archive in it."""

from verdict.tasks.breakhis.archive.layout import FILES
from verdict.tasks.breakhis.archive.options import Embedded
from verdict.tasks.breakhis.archive.synthetic import write_archive

__all__ = ["FILES", "Embedded", "write_archive"]
