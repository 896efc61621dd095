"""The listed pairs of duplicates, beside the shards."""

import csv
from collections.abc import Collection, Iterable
from pathlib import Path

from verdict.core.files import as_written, write_csv

_FILE = "duplicates.csv"


def write_duplicates(
    folder: Path, pairs: Iterable[tuple[str, str]], without: Collection[str]
) -> None:
    """Write the pairs, sorted, leaving out those with an id of ``without``."""
    kept = {(min(pair), max(pair)) for pair in pairs if not set(pair).intersection(without)}
    write_csv(folder / _FILE, ("id_1", "id_2"), sorted(kept))


def read_duplicates(folder: Path) -> list[tuple[str, str]]:
    """Return the pairs of ids that must share a split.

    Raises:
        VerdictError: the file is missing or damaged.
    """
    path = folder / _FILE
    with (
        as_written(path, "extract"),
        path.open(encoding="utf-8", newline="") as file,
    ):
        return [(row["id_1"], row["id_2"]) for row in csv.DictReader(file)]
