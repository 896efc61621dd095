"""Images in a ZIP, and a CSV file with one row an image."""

from pathlib import Path

from tools.new_task.template.archive import FILES, GROUP, ID, LABEL, LABELS, image_names
from verdict.core.errors import VerdictError
from verdict.params.section import Section
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable, read_csv

#: What the published data cannot show; it stands in the model card.
LIMITS: tuple[str, ...] = ()


class Options(Section):
    """What ``dataset`` may hold in params.yaml: nothing yet; the table is read as it is."""


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the published table.

    Images are found by the record's id, which ``image_names`` turns into the names of their files.
    Columns beside id, label and group become attributes, which stand beside the predictions.

    Raises:
        VerdictError: a missing column, an empty id or group, or an unknown label.
    """
    path = folder / FILES["table"]
    rows = []
    for line, cells in enumerate(read_csv(path, (ID, LABEL, GROUP)), start=2):
        name, group = cells.pop(ID), cells.pop(GROUP)
        if not name or not group:
            raise VerdictError(f"{path} line {line}: {ID} or {GROUP} is empty; each image has both")
        if (label := cells.pop(LABEL)) not in LABELS:
            raise VerdictError(
                f"{path} line {line}: {LABEL} of {name} is {label!r}, not {', '.join(LABELS)}; "
                f"mend it, or add it to LABELS in {Path(__file__).parent.name}/archive/__init__.py "
                "and to format.answers in params.yaml"
            )
        attributes = {column: value for column, value in cells.items() if value}
        first, *further = image_names(name)
        rows.append(
            RawRow(
                name, group, LABELS[label], attributes, image=first, further_images=tuple(further)
            )
        )
    if not rows:
        raise VerdictError(f"{path} has no rows; fetch it again or check fetch.files")
    return RawTable(rows, images=ZipImages(folder / FILES["images"]))
