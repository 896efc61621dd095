"""BreakHis: which of eight tumours of the breast is this? (doi:10.1109/TBME.2015.2496264)"""

from verdict.tasks.breakhis.archive.layout import FILES, LIMITS
from verdict.tasks.breakhis.archive.synthetic import write_archive
from verdict.tasks.breakhis.options import Embedded, Options
from verdict.tasks.breakhis.table import read_table

__all__ = ["FILES", "LIMITS", "Embedded", "Options", "read_table", "write_archive"]
