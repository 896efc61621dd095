"""MedPix-VQA: what does this radiological image show? (hub data set ``mmoukouba/MedPix-VQA``)"""

from verdict.tasks.medpix_vqa.archive.layout import FILES, LIMITS, OPTIONAL
from verdict.tasks.medpix_vqa.archive.synthetic import write_archive
from verdict.tasks.medpix_vqa.options import Embedded, Options
from verdict.tasks.medpix_vqa.table import read_table

__all__ = ["FILES", "LIMITS", "OPTIONAL", "Embedded", "Options", "read_table", "write_archive"]
