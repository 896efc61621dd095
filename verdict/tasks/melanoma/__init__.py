"""SIIM-ISIC 2020: is this lesion a melanoma? (doi:10.1038/s41597-021-00815-z)"""

from verdict.tasks.melanoma.table import Options, read_table

__all__ = ["LIMITS", "Options", "read_table"]

#: What the published data cannot show; it stands in the model card.
LIMITS = (
    "The data carry no label of skin tone, so nothing is known of differences between skin tones.",
)
