"""Pairs of records: are the two of one entity?"""

from verdict.tasks.entity_resolution.embedded import write_archive
from verdict.tasks.entity_resolution.layout import FILES, LIMITS
from verdict.tasks.entity_resolution.options import Embedded, Options
from verdict.tasks.entity_resolution.table import read_table

__all__ = ["FILES", "LIMITS", "Embedded", "Options", "read_table", "write_archive"]
