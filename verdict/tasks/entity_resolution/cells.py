"""Read the cells of a table of pairs, whatever kind of file it is."""

import csv
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from verdict.core.errors import VerdictError
from verdict.records.parquet_images import parquet_explained
from verdict.records.raw import parse_json, refuse_repeated, tidy

#: A row: its place in the file, as messages call it, and its cells by column.
Row = tuple[str, dict[str, Any]]


def read_rows(
    path: Path, columns: Sequence[str], *, header: bool, needed: int | None = None
) -> Iterator[Row]:
    """Yield each row of a CSV, TSV, JSON-lines or Parquet file.

    A CSV file has quoted cells and may have line ends in them; a TSV file (``.tsv``, or ``.txt`` as
    Magellan's) has neither, and its quotation marks are text.

    Args:
        columns: those that are read; without ``header`` a CSV or TSV file has exactly these.
        needed: how many of them, from the first, must be there; None for all.

    Raises:
        VerdictError: a column is missing, or a row is damaged; it names file, line and column.
    """
    try:
        read = _READERS[path.suffix.lower()]
        yield from read(path, columns[:needed], None if header else columns)
    except UnicodeDecodeError as error:
        raise VerdictError(f"{path} is not UTF-8 text ({error.reason}); fetch it again") from None


def _csv(path: Path, columns: Sequence[str], names: Sequence[str] | None) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from _table(path, csv.reader(file, strict=True), columns, names)


def _tsv(path: Path, columns: Sequence[str], names: Sequence[str] | None) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        yield from _table(path, rows, columns, names)


def _table(
    path: Path, reader: Any, columns: Sequence[str], names: Sequence[str] | None
) -> Iterator[Row]:
    """``names``: those of the columns where no header has them; a file may lack the last ones."""
    try:
        first: list[str] = next(reader, [])
        rest = reader if names is None else chain([first], reader)
        if names is None:
            names = [tidy(name) for name in first]
        else:
            names = names[: max(len(first), len(columns))]
        refuse_repeated(str(path), names)
        _require(path, columns, names)
        for cells in rest:
            if not cells:
                continue  # an empty line, such as the last
            if len(cells) != len(names):
                raise VerdictError(
                    f"{path} line {reader.line_num} has {len(cells)} cells, not {len(names)} "
                    f"({', '.join(names)}); mend the line, or correct dataset in params.yaml"
                )
            yield f"line {reader.line_num}", dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise VerdictError(
            f"{path} line {reader.line_num} cannot be read ({error}); mend the line"
        ) from None


def _jsonl(path: Path, columns: Sequence[str], names: Sequence[str] | None) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            cells = parse_json(line, f"{path} line {number}")
            if not isinstance(cells, dict):
                raise VerdictError(
                    f"{path} line {number} is no JSON object; expected one with "
                    f"{', '.join(columns)}"
                )
            for name in columns:
                if name not in cells:
                    raise VerdictError(_lacks(f"{path} line {number}", name, list(cells)))
            yield f"line {number}", cells


def _parquet(path: Path, columns: Sequence[str], names: Sequence[str] | None) -> Iterator[Row]:
    number = 0
    with parquet_explained(path), pq.ParquetFile(path) as file:
        refuse_repeated(str(path), file.schema_arrow.names)
        _require(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(columns=list(columns)):
            for cells in batch.to_pylist():
                number += 1
                yield f"row {number}", cells


def _require(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    for name in columns:
        if name not in names:
            raise VerdictError(_lacks(str(path), name, names))


def _lacks(place: str, name: str, names: Sequence[str]) -> str:
    # Without a header the first pair stands for the names, and may be long.
    has = ", ".join(textwrap.shorten(str(other), 40, placeholder=" …") for other in names)
    return (
        f"{place} has no column {name!r}; it has {has or 'none'}. Correct dataset in params.yaml, "
        "or name it to tools.new_pairs by --left, --right, --label or --entity: layout is columns "
        "where each record has a column of its own and records where it has a line, and header is "
        "false where the first line is a pair already"
    )


_READERS: dict[str, Callable[[Path, Sequence[str], Sequence[str] | None], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".txt": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
#: Endings of the files that can be read.
SUFFIXES = frozenset(_READERS)
