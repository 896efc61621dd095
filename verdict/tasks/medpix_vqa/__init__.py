"""MedPix-VQA: what does this radiological image show? (hub data set ``mmoukouba/MedPix-VQA``)"""

from verdict.tasks.medpix_vqa.table import Options, read_table

__all__ = ["LIMITS", "Options", "read_table"]

#: What the published data cannot show; it stands in the model card.
LIMITS = ("Cases are collected for teaching, so rare findings are commoner than among patients.",)
