"""Predictions: one row a record, as a Parquet file that every number can be recomputed from."""

from verdict.predictions.file import make_predictions, read_predictions, write_predictions
from verdict.predictions.table import METADATA_KEY, SCHEMA, Predictions

__all__ = [
    "METADATA_KEY",
    "SCHEMA",
    "Predictions",
    "make_predictions",
    "read_predictions",
    "write_predictions",
]
