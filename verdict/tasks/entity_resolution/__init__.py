"""Pairs of records: are the two of one entity?"""

from verdict.tasks.entity_resolution.archive.layout import FILES, LIMITS, as_pair, out_of_pair
from verdict.tasks.entity_resolution.archive.synthetic import write_archive
from verdict.tasks.entity_resolution.options import Embedded, Options
from verdict.tasks.entity_resolution.pairs import read_pairs
from verdict.tasks.entity_resolution.table import read_table

__all__ = [
    "FILES",
    "LIMITS",
    "Embedded",
    "Options",
    "as_pair",
    "out_of_pair",
    "read_pairs",
    "read_table",
    "write_archive",
]
