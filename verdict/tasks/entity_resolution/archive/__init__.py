"""The published archive's layout, and a synthetic archive in it."""

from verdict.tasks.entity_resolution.archive.layout import FILES
from verdict.tasks.entity_resolution.archive.options import Embedded
from verdict.tasks.entity_resolution.archive.synthetic import write_archive

__all__ = ["FILES", "Embedded", "write_archive"]
