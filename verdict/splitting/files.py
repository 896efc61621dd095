"""A split on disk: a sorted CSV of ids for each part, and one of what is left out."""

from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.files import as_written, replacing, write_csv
from verdict.splitting.assignment import SPLITS, Assignment, Division

#: Beside the splits, if any record is left out: its id and the reason.
LEFT_OUT_FILE = "left_out.csv"


def write_split(folder: Path, division: Division) -> None:
    """Write one sorted CSV of ids for each split, and the records that are left out, if any."""
    with replacing(folder) as partial:
        partial.mkdir()
        for split in SPLITS:
            ids = sorted(id_ for id_, name in division.assignment.items() if name == split)
            (partial / f"{split}.csv").write_text("\n".join(["id", *ids]) + "\n", "utf-8")
        if division.left_out:
            write_csv(partial / LEFT_OUT_FILE, ("id", "reason"), sorted(division.left_out.items()))


def read_split(folder: Path) -> Assignment:
    """Read which split each record is in; those left out have none.

    Raises:
        VerdictError: a file is missing or damaged, or an id stands in two splits.
    """
    assignment: Assignment = {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        with as_written(path, "split"):
            header, *ids = path.read_text("utf-8").splitlines()
        if header != "id":
            raise VerdictError(f"{path}: the first line is {header!r}, expected 'id'")
        for id_ in ids:
            if (other := assignment.setdefault(id_, split)) != split:
                raise VerdictError(f"{path}: {id_} stands in {other}.csv too")
    return assignment
