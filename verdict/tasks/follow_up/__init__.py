"""Follow-up of lesions: has it changed since the last visit? Two images a record."""

from verdict.tasks.follow_up.table import Options, read_table

__all__ = ["LIMITS", "Options", "read_table"]

#: What the data cannot show; it stands in the model card.
LIMITS = ("No published data set has this layout: there are synthetic lesions alone.",)
