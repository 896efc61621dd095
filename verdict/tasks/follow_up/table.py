"""Read and check the table of visits: a row a lesion, with the images of two visits."""

from pathlib import Path
from typing import Literal

from verdict.core.errors import VerdictError
from verdict.params.section import Section
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable, read_csv
from verdict.tasks.follow_up.archive import COLUMNS, FILES

_LABELS = {"no": "unchanged", "yes": "changed"}


class Options(Section):
    """Which images a record has: those of both visits, or the current one alone."""

    visits: Literal["both", "current"]


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the visits; the group is the patient, the prior image comes first.

    Raises:
        VerdictError: a missing column, an empty cell, or a change that is neither yes nor no.
    """
    path = folder / FILES["table"]
    rows = []
    for line, cells in enumerate(read_csv(path, COLUMNS), start=2):
        if empty := [name for name in COLUMNS if not cells[name]]:
            raise VerdictError(f"{path} line {line}: {empty[0]} is empty; mend the line")
        if cells["changed"] not in _LABELS:
            raise VerdictError(
                f"{path} line {line}: changed of {cells['lesion_id']} is {cells['changed']!r}; "
                f"expected {' or '.join(_LABELS)}"
            )
        first, *further = (cells["prior"], cells["current"])[options.visits == "current" :]
        rows.append(
            RawRow(
                cells["lesion_id"],
                cells["patient_id"],
                _LABELS[cells["changed"]],
                {"site": cells["site"]},
                image=first,
                further_images=tuple(further),
            )
        )
    if not rows:
        raise VerdictError(f"{path} has no rows; fetch it again or check fetch.files")
    images = ZipImages(folder / FILES["images"])
    return RawTable(rows, images=images, every_image=options.visits == "both")
