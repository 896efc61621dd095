"""Draw the synthetic tissue: eight kinds that differ, with overlap, in what a pathologist sees."""

import io
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from verdict.synthetic import drawing
from verdict.synthetic.drawing import TURN, Colour
from verdict.tasks.breakhis.archive.field import Field, make_stain
from verdict.tasks.breakhis.archive.layout import ImageName
from verdict.tasks.breakhis.archive.slides import Slide

#: How much larger everything looks than at 100 times; less than in a microscope, so that an image
#: of any magnification shows more than one cell.
_SCALES = {40: 0.75, 100: 1.0, 200: 1.35, 400: 1.8}
#: Share of images that show another kind of tissue. It bounds what any model can reach.
_ATYPICAL_SHARE = 0.03


def draw_pngs(slides: Sequence[Slide], seed: int) -> Iterator[tuple[ImageName, bytes]]:
    """Yield each image's name and PNG, slide by slide."""
    grain = drawing.Grain(np.random.default_rng([seed, 2]), strength=5)
    for slide in slides:
        stain = make_stain(np.random.default_rng([seed, 3, slide.patient]))
        for image in slide.images():
            place = (slide.number, image.magnification, image.number)
            rng = np.random.default_rng([seed, 4, *place])
            field = Field(rng, stain, _SCALES[image.magnification])
            code = image.code
            if rng.random() < _ATYPICAL_SHARE:
                code = tuple(_KINDS)[int(rng.integers(len(_KINDS)))]
            _KINDS[code](field)
            yield image, _encoded(grain.add_to(rng, field.finished()))


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Searching for repetitions differs between processors and versions of zlib; this does not.
    image.save(buffer, "PNG", compress_type=zlib.Z_HUFFMAN_ONLY)
    return buffer.getvalue()


def _adenosis(field: Field) -> None:
    """Many small, crowded glands with narrow lumina."""
    stain = field.stain
    field.ground(_mixed(stain.stroma, stain.cells, 0.2))
    for place in field.places(field.between(8.5, 10), jitter=0.5):
        shape, radius = field.shape(0.08), field.between(3.2, 4.4)
        field.paint(shape, place, radius, stain.cells)
        field.line(shape, place, 0.75 * radius, nuclei=8, size=0.9)
        field.paint(shape, place, 0.25 * radius, stain.white)


def _fibroadenoma(field: Field) -> None:
    """Pale stroma with a few compressed, slit-like ducts."""
    stain = field.stain
    field.ground(_mixed(stain.stroma, stain.white, 0.35))
    for place in field.places(9, jitter=1.0):
        field.nucleus(place, 0.6)
    for place in field.places(field.between(24, 30), jitter=0.6):
        shape, radius = field.shape(0.08), field.between(6, 8)
        stretch, turn = field.between(1.8, 2.3), field.turn()
        field.paint(shape, place, radius, stain.cells, stretch=stretch, turn=turn)
        field.line(shape, place, 0.8 * radius, nuclei=20, size=0.9, stretch=stretch, turn=turn)
        field.paint(shape, place, 0.4 * radius, stain.white, stretch=1.2 * stretch, turn=turn)


def _phyllodes_tumor(field: Field) -> None:
    """Cellular stroma with broad, leaf-like clefts."""
    stain = field.stain
    field.ground(_mixed(stain.stroma, stain.cells, 0.45))
    for place in field.places(4.2, jitter=1.0):
        field.nucleus(place, 0.75)
    for place in field.places(field.between(40, 48), jitter=0.6):
        shape, radius = field.shape(0.12), field.between(13, 17)
        stretch, turn = field.between(1.2, 1.5), field.turn()
        field.line(shape, place, radius, nuclei=32, size=1.2, stretch=stretch, turn=turn)
        field.paint(shape, place, 0.95 * radius, stain.white, stretch=stretch, turn=turn)
        # The leaf: stroma that grows into the cleft.
        field.line(shape, place, 0.66 * radius, nuclei=24, size=1.1, stretch=stretch, turn=turn)
        leaf = _mixed(stain.stroma, stain.cells, 0.45)
        field.paint(shape, place, 0.62 * radius, leaf, stretch=stretch, turn=turn)


def _tubular_adenoma(field: Field) -> None:
    """Uniform round tubules with open lumina, back to back."""
    stain = field.stain
    field.ground(stain.stroma)
    for place in field.places(field.between(14, 16), jitter=0.2):
        shape, radius = field.shape(0.03), field.between(6.2, 7.0)
        field.paint(shape, place, radius, stain.cells)
        field.line(shape, place, 0.8 * radius, nuclei=14, size=1.0)
        field.paint(shape, place, 0.52 * radius, stain.white)


def _ductal_carcinoma(field: Field) -> None:
    """Solid, ragged nests of dark cells."""
    stain = field.stain
    field.ground(_mixed(stain.stroma, stain.cells, 0.1))
    for place in field.places(field.between(23, 27), jitter=0.6):
        shape, radius = field.shape(0.14), field.between(8.5, 12)
        field.paint(shape, place, radius, _mixed(stain.cells, stain.nucleus, 0.3))
        field.fill(shape, place, radius, spacing=3.2, size=1.5)


def _lobular_carcinoma(field: Field) -> None:
    """Small cells in single files through the stroma."""
    stain = field.stain
    field.ground(stain.stroma)
    # The files lie around a duct, as the rings of a target.
    centre, distance = field.places(40, jitter=1.0)[0], 4.0
    while distance < 130:
        wavy = field.shape(0.02)
        nuclei = min(TURN, round(2 * distance))
        field.line(wavy, centre, distance, nuclei=nuclei, size=field.between(0.9, 1.2))
        distance += field.between(5, 8)


def _mucinous_carcinoma(field: Field) -> None:
    """Islands of cells in pale pools of mucin."""
    stain = field.stain
    field.ground(stain.mucin)
    for place in field.places(field.between(27, 32), jitter=0.7):
        shape, radius = field.shape(0.1), field.between(5, 8)
        field.paint(shape, place, radius, stain.cells)
        field.fill(shape, place, radius, spacing=3.0, size=1.1)


def _papillary_carcinoma(field: Field) -> None:
    """Fronds with a stromal core and a lining of cells, in white spaces."""
    stain = field.stain
    field.ground(stain.white)
    for place in field.places(field.between(17, 20), jitter=0.5):
        shape, radius = field.shape(0.06), field.between(7, 8.5)
        stretch, turn = field.between(1.5, 1.9), field.turn()
        field.paint(shape, place, radius, stain.cells, stretch=stretch, turn=turn)
        field.line(shape, place, 0.9 * radius, nuclei=24, size=1.2, stretch=stretch, turn=turn)
        field.paint(shape, place, 0.55 * radius, stain.stroma, stretch=stretch, turn=turn)


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    return drawing.clamp(
        [(1 - share) * one + share * two for one, two in zip(colour, other, strict=True)]
    )


_KINDS: dict[str, Callable[[Field], None]] = {
    "A": _adenosis,
    "F": _fibroadenoma,
    "PT": _phyllodes_tumor,
    "TA": _tubular_adenoma,
    "DC": _ductal_carcinoma,
    "LC": _lobular_carcinoma,
    "MC": _mucinous_carcinoma,
    "PC": _papillary_carcinoma,
}
