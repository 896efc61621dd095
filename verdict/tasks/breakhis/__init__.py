"""BreakHis: which of eight tumours of the breast is this? (doi:10.1109/TBME.2015.2496264)"""

from verdict.tasks.breakhis.table import Options, read_table

__all__ = ["LIMITS", "Options", "read_table"]

#: What the published data cannot show; it stands in the model card.
LIMITS = ("All slides come from one laboratory.",)
