"""Labelled images, and the task that tools.new_task makes of them."""

import importlib
import sys
from pathlib import Path
from typing import Any

from tools.new_task.__main__ import main
from tools.packing import write_table
from verdict import tasks

COLUMNS = ("--id", "name", "--label", "finding", "--group", "patient")
ROWS = [
    ("a", "Mild", "P1"),
    ("b", "No finding", "P1"),
    ("c", "Severe", "P2"),
    ("d", "Mild", "P3"),
    ("e", "No finding", "P2"),
    ("f", "Severe", "P4"),
    ("g", "Mild", "P4"),
    ("h", "No finding", "P3"),
    ("i", "Severe", "P3"),
]


def write(rows: list[tuple[str, str, str]]) -> None:
    header = ("name", "finding", "patient")
    write_table(Path("labels.csv"), header, [dict(zip(header, row, strict=True)) for row in rows])


def make(name: str = "eyes", *more: str) -> None:
    main([name, "--images", "pictures", "--table", "labels.csv", "--out", "own", *COLUMNS, *more])


def loaded(name: str) -> tuple[Any, Any]:
    """Import what was written: the task, and its archive."""
    for known in [module for module in sys.modules if f"{module}.".startswith(_module(name))]:
        del sys.modules[known]
    tasks.__path__.append(str(Path("verdict/tasks").resolve()))
    try:
        modules = (_module(name).rstrip("."), f"{_module(name)}archive")
        task, archive = map(importlib.import_module, modules)
    finally:
        tasks.__path__.pop()
    return task, archive


def _module(name: str) -> str:
    return f"{tasks.__name__}.{name}."
