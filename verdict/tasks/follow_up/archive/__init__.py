"""The files: images of two visits in a ZIP, and a table with a row a lesion; and a stand-in.

The lesions are drawn, and stand for nothing clinical. One is small and pale or large and dark, at
each visit equally often, and has changed where the two visits differ: one image alone says nothing.
Some lie in between, which bounds what any model can reach.
"""

import io
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from pydantic import Field

from verdict.core.files import write_csv
from verdict.params.section import Section, Seed
from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour

#: The name of each file, by its key in ``fetch.files``.
FILES = {"images": "visits.zip", "table": "visits.csv"}
#: The table's columns: ``prior`` and ``current`` name the images of the two visits.
COLUMNS = ("lesion_id", "patient_id", "site", "prior", "current", "changed")

_SKIN: tuple[Colour, ...] = ((236, 196, 178), (222, 176, 150), (198, 150, 120), (176, 128, 100))
_SITES = ("torso", "lower extremity", "upper extremity")
#: Of a small lesion and of a large one: colour, and radius as a share of the image's side.
_LOOKS: tuple[tuple[Colour, float], ...] = (((164, 96, 66), 0.15), ((66, 44, 40), 0.29))
#: How far a lesion is from its look, as a share of the distance between the two.
_SPREAD = 0.22
_SIDE = 96  # pixels
_LESIONS_A_PATIENT = 4  # at most


class Embedded(Section):
    """The synthetic archive: how many lesions."""

    seed: Seed
    lesions: Annotated[int, Field(ge=40, le=100_000)]


def write_archive(folder: Path, options: Embedded) -> None:
    """Write a synthetic archive; the same options give the same bytes on every x86-64 machine."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([options.seed, 1])
    grain = drawing.Grain(np.random.default_rng([options.seed, 2]), strength=9)
    rows: list[tuple[str, ...]] = []
    patients = 0
    with zipfile.ZipFile(folder / FILES["images"], "w", zipfile.ZIP_STORED) as archive:
        while len(rows) < options.lesions:
            patients += 1
            skin = drawing.shifted(rng, _SKIN[int(rng.integers(len(_SKIN)))], 6)
            for _ in range(int(rng.integers(1, _LESIONS_A_PATIENT + 1))):
                name = f"L{len(rows):05d}"
                before, changed = int(rng.integers(2)), int(rng.integers(2))
                visits = {"prior": before, "current": before ^ changed}
                for visit, look in visits.items():
                    member = zipfile.ZipInfo(f"{name}-{visit}.jpg", date_time=(1980, 1, 1, 0, 0, 0))
                    member.create_system = 3  # Unix, whatever this runs on
                    archive.writestr(member, _encoded(grain.add_to(rng, _drawn(rng, skin, look))))
                site = _SITES[int(rng.integers(len(_SITES)))]
                images = [f"{name}-{visit}" for visit in visits]
                row = (name, f"P{patients:05d}", site, *images, ("no", "yes")[changed])
                rows.append(row)
    write_csv(folder / FILES["table"], COLUMNS, rows)


def _drawn(rng: np.random.Generator, skin: Colour, look: int) -> Image.Image:
    image = drawing.mottled(rng, (_SIDE, _SIDE), drawing.shifted(rng, skin, 4), 8)
    # 0 is small and pale, 1 large and dark.
    between = look + _SPREAD * drawing.bell(rng)
    (pale, small), (dark, large) = _LOOKS
    colour = [a + between * (b - a) for a, b in zip(pale, dark, strict=True)]
    radius = _SIDE * (small + between * (large - small))
    centre = (_SIDE / 2 + 4 * drawing.bell(rng), _SIDE / 2 + 4 * drawing.bell(rng))
    radii = drawing.waves(rng, {2: 0.08, 3: 0.06, 7: 0.03})
    mask = Image.new("L", image.size, 0)
    turn = int(rng.integers(drawing.TURN))
    outline = drawing.outline(radii, radius, centre=centre, turn=turn)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    lesion = Image.new("RGB", image.size, drawing.shifted(rng, colour, 10))
    image.paste(lesion, mask=mask.filter(ImageFilter.BoxBlur(1)))
    return image


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
