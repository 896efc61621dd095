"""An archive in BreaKHis's layout, read with the published choice unless a test changes it."""

from pathlib import Path
from typing import Any

from verdict.records.raw import RawTable
from verdict.tasks import read_raw

OPTIONS = {
    "fold": 1,
    "magnifications": [100],
    "classes": "eight",
    "balance_seed": None,
    "two_class_slides": "keep",
}


def read(folder: Path, **changes: Any) -> RawTable:
    return read_raw("breakhis", folder, {**OPTIONS, **changes})
