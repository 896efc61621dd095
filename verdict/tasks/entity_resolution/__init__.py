"""Pairs of records: are the two of one entity?"""

from verdict.tasks.entity_resolution.archive.layout import as_pair, out_of_pair
from verdict.tasks.entity_resolution.options import Options
from verdict.tasks.entity_resolution.pairs import read_pairs
from verdict.tasks.entity_resolution.table import read_table

__all__ = [
    "LIMITS",
    "Options",
    "as_pair",
    "out_of_pair",
    "read_pairs",
    "read_table",
]

#: What the published data cannot show; it stands in the model card.
LIMITS = (
    "Pairs were chosen to be compared; among all possible pairs nearly none is of one entity.",
    "Pairs that link two splits are left out, which changes the share of matches; precision and F1 "
    "compare with published ones only where that share is the same.",
)
