"""The files: images in a ZIP, and a CSV file with one row an image; and a stand-in for them."""

import io
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import ImageDraw
from pydantic import Field

from verdict.core.files import write_csv
from verdict.params.section import Positive, Section, Seed
from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour

#: The name of each published file, by its key in ``fetch.files``.
FILES = {"images": "images.zip", "table": "table.csv"}

#: The table's columns; the group is what must not be divided between splits, such as the patient.
ID, LABEL, GROUP = "id", "label", "group"

#: How many images each record has.
IMAGES = 1

#: What params.yaml calls each label that stands in the table.
LABELS = {
    "Healthy": "healthy",
    "Mild": "mild",
    "Severe": "severe",
}


class Embedded(Section):
    """What ``fetch.embedded`` must hold in params.yaml: how the synthetic archive is made."""

    seed: Seed
    images: Annotated[int, Field(ge=20, le=200_000)]
    images_per_group: Positive


def image_names(name: str, count: int = IMAGES) -> list[str]:
    """Return the names of a record's images in the ZIP, without folder and suffix, in order."""
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


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
            for image in image_names(name):
                member = zipfile.ZipInfo(f"images/{image}.jpg", date_time=(1980, 1, 1, 0, 0, 0))
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
