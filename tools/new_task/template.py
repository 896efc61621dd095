"""Images in a ZIP, and a CSV file with one row an image."""

import io
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import ImageDraw
from pydantic import Field

from verdict.core.errors import VerdictError
from verdict.core.files import write_csv
from verdict.params.section import Positive, Section, Seed
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable, read_csv
from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour

#: The name of each published file, by its key in ``fetch.files``.
FILES = {"images": "images.zip", "table": "table.csv"}

#: What the published data cannot show; it stands in the model card.
LIMITS: tuple[str, ...] = ()

#: The table's columns; the group is what must not be divided between splits, such as the patient.
ID, LABEL, GROUP = "id", "label", "group"

#: What params.yaml calls each label that stands in the table.
LABELS = {
    "Healthy": "healthy",
    "Mild": "mild",
    "Severe": "severe",
}


class Options(Section):
    """What ``dataset`` may hold in params.yaml: nothing yet; the table is read as it is."""


class Embedded(Section):
    """What ``fetch.embedded`` must hold in params.yaml: how the synthetic archive is made."""

    seed: Seed
    images: Annotated[int, Field(ge=20, le=200_000)]
    images_per_group: Positive


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the published table.

    An image is found by its id: the name of its file in the ZIP, without folder and suffix.
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
                f"mend it, or add it to LABELS in {Path(__file__).parent.name}/__init__.py and to "
                "format.answers in params.yaml"
            )
        attributes = {column: value for column, value in cells.items() if value}
        rows.append(RawRow(name, group, LABELS[label], attributes, image=name))
    if not rows:
        raise VerdictError(f"{path} has no rows; fetch it again or check fetch.files")
    return RawTable(rows, images=ZipImages(folder / FILES["images"]))


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive in the layout that ``read_table`` reads.

    It holds coloured shapes, which stand for nothing: with it the pipeline runs before, or
    without, the real images. The same options give the same bytes on every x86-64 machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    labels = list(LABELS)
    rows = []
    with zipfile.ZipFile(folder / FILES["images"], "w", zipfile.ZIP_STORED) as archive:
        for index in range(options.images):
            name, number = f"image_{index:05d}", int(rng.integers(len(labels)))
            # A fixed date and system: the archive depends on nothing but the options.
            member = zipfile.ZipInfo(f"images/{name}.jpg", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            archive.writestr(member, _draw_jpeg(rng, number))
            rows.append((name, labels[number], f"group_{index // options.images_per_group:05d}"))
    write_csv(folder / FILES["table"], (ID, LABEL, GROUP), rows)


_SIDE = 96  # pixels
_COLOURS: tuple[Colour, ...] = ((190, 60, 60), (60, 130, 70), (60, 80, 180), (200, 160, 50))


def _draw_jpeg(rng: np.random.Generator, number: int) -> bytes:
    """Draw one shape; colour and number of lobes depend on the label's number."""
    image = drawing.mottled(rng, (_SIDE, _SIDE), (205, 200, 195), 12)
    radii = drawing.waves(rng, {1 + 2 * (number // len(_COLOURS) + number % 3): 0.25})
    centre = (_SIDE / 2 + 5 * drawing.bell(rng), _SIDE / 2 + 5 * drawing.bell(rng))
    shape = drawing.outline(radii, _SIDE * (0.2 + 0.1 * rng.random()), centre=centre)
    colour = drawing.shifted(rng, _COLOURS[number % len(_COLOURS)], 12)
    ImageDraw.Draw(image).polygon(shape, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
