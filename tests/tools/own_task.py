"""Labelled images, and the task that tools.new_task makes of them."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.new_task.__main__ import main
from tools.packing import write_table

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


def loaded(name: str) -> Any:
    """Import the module that was written."""
    path = Path("verdict/tasks") / name / "__init__.py"
    spec = importlib.util.spec_from_file_location(f"new_{name}", path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
