"""SIIM-ISIC 2020: is this lesion a melanoma? (doi:10.1038/s41597-021-00815-z)"""

from verdict.tasks.melanoma.archive.layout import FILES, LIMITS, OPTIONAL
from verdict.tasks.melanoma.archive.synthetic import write_archive
from verdict.tasks.melanoma.options import Embedded, Options
from verdict.tasks.melanoma.table import read_table

__all__ = ["FILES", "LIMITS", "OPTIONAL", "Embedded", "Options", "read_table", "write_archive"]
