"""Records in two tables of their own, named by ids: the original form of Magellan's data."""

from dataclasses import dataclass
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.records.raw import read_csv, tidy

#: The file of the left records and that of the right ones, as they are published.
TABLES = ("tableA.csv", "tableB.csv")
#: The column of ids in both.
ID = "id"


@dataclass(frozen=True)
class Source:
    """A record: its name (table and id), its text, and the entity that its table names, or None."""

    name: str
    text: str
    entity: str | None


@dataclass(frozen=True)
class Tables:
    """The records of both tables, by their ids."""

    folder: Path
    records: tuple[dict[str, Source], dict[str, Source]]

    def find(self, where: str, column: str, side: int, cell: object) -> Source:
        """Return the record that a pair names.

        Args:
            side: 0 for the left record, 1 for the right one.

        Raises:
            VerdictError: there is no such id.
        """
        found = self.records[side].get(tidy(str(cell)))
        if found is None:
            raise VerdictError(
                f"{where}: {column} is {cell!r}, which is no {ID} in {self.folder / TABLES[side]}; "
                "correct the pair, or dataset.left and dataset.right in params.yaml"
            )
        return found


def read_tables(folder: Path, entity: str | None) -> Tables:
    """Read ``tableA.csv`` and ``tableB.csv``, wherever in ``folder`` they are.

    A record's text is ``COL name VAL value …`` of all columns but the id and the entity, the form
    of DITTO (Li et al., PVLDB 14(1), 2020, section 3.1).

    Args:
        entity: the column in both tables that names a record's entity, or None.

    Raises:
        VerdictError: a table is missing, lacks a column or has an id twice.
    """
    left, right = (_read(folder, name, entity) for name in TABLES)
    return Tables(folder, (left, right))


def _read(folder: Path, name: str, entity: str | None) -> dict[str, Source]:
    paths = sorted(folder.rglob(name))
    if len(paths) != 1:
        raise VerdictError(
            f"{folder} has {len(paths)} files {name}, one is expected: dataset.layout is tables, "
            "for records in tableA.csv and tableB.csv and pairs of their ids"
        )
    found: dict[str, Source] = {}
    for line, cells in enumerate(read_csv(paths[0], (ID, *([entity] if entity else ()))), start=2):
        key = cells.pop(ID)
        named = cells.pop(entity) if entity else None
        if key in found or not key:
            raise VerdictError(
                f"{paths[0]} row {line}: the {ID} {key!r} is "
                f"{'another row' if key else 'empty'}; each record needs an id of its own"
            )
        text = " ".join(f"COL {column} VAL {value}" for column, value in cells.items())
        found[key] = Source(f"{paths[0].stem}-{key}", tidy(text), named or None)
    return found
