"""Pictures of generic shapes, with their attributes: all that the tiny model has ever seen."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour

#: In the order of the answers in :mod:`verdict.tiny_models.questions`.
_COLOURS: tuple[Colour, ...] = (
    (200, 45, 45),
    (45, 160, 65),
    (55, 75, 195),
    (220, 195, 60),
    (125, 80, 50),
    (32, 28, 28),
)
#: Small, medium and large, as a share of the picture's shorter side.
_RADII = (0.17, 0.25, 0.34)
#: Height to width; the rest is black, as where a photograph was padded to a square.
_HEIGHTS = (1.0, 0.75, 0.67)


@dataclass(frozen=True)
class Shape:
    """A square RGB picture, and what can be told from it.

    parts: for each pixel 0 for the ground, or one more than the index of the colour painted there.
    attributes: the index of the right answer for each of the shape questions that has one.
    """

    image: Image.Image
    parts: np.ndarray
    attributes: dict[str, int]


def draw(rng: np.random.Generator, side: int) -> Shape:
    """Draw one shape on a plain ground, in a picture of ``side`` by ``side`` pixels."""
    attributes = {
        "shape": int(rng.integers(4)),
        "size": int(rng.integers(3)),
        "border": int(rng.integers(2)),
        "symmetry": int(rng.integers(2)),
        "colours": int(rng.integers(4)),
    }
    colours = rng.permutation(len(_COLOURS))[: 1 + attributes["colours"]].tolist()
    if len(colours) == 1:
        attributes["colour"] = colours[0]

    canvas = 2 * side  # drawn at twice the size, so that edges come out smooth
    height = _HEIGHTS[int(rng.integers(len(_HEIGHTS)))] * canvas
    radius = _RADII[attributes["size"]] * height * (0.9 + 0.2 * rng.random())
    middle = canvas / 2 + 0.04 * height * drawing.bell(rng)
    centre = (canvas / 2 + 0.04 * height * drawing.bell(rng), middle)
    turn = int(rng.integers(drawing.TURN))
    radii = _OUTLINES[attributes["shape"]]
    if attributes["border"]:
        depth = 0.05 + 0.05 * rng.random()
        radii = radii * drawing.waves(rng, dict.fromkeys((5, 7, 11, 16), depth))
    if attributes["symmetry"]:
        depth = 0.10 + 0.08 * rng.random()
        radii = radii * drawing.waves(rng, dict.fromkeys((1, 2, 3), depth))

    body = drawing.outline(radii, radius, centre=centre, turn=turn)
    paint = Image.new("RGB", (canvas, canvas), drawing.shifted(rng, _COLOURS[colours[0]], 12))
    parts = Image.new("L", paint.size, 1 + colours[0])
    around = drawing.outline(radii, radius * 0.55, centre=centre, turn=turn)
    start = int(rng.integers(drawing.TURN))
    for number, colour in enumerate(colours[1:]):
        centre_of_spot = around[(start + number * drawing.TURN // 3) % drawing.TURN]
        width = radius * (0.32 + 0.14 * rng.random())
        spot = drawing.outline(drawing.waves(rng, {2: 0.15, 3: 0.1}), width, centre=centre_of_spot)
        ImageDraw.Draw(paint).polygon(spot, fill=drawing.shifted(rng, _COLOURS[colour], 12))
        ImageDraw.Draw(parts).polygon(spot, fill=1 + colour)

    mask = Image.new("L", paint.size, 0)
    ImageDraw.Draw(mask).polygon(body, fill=255)
    image = drawing.mottled(rng, paint.size, drawing.clamp(rng.integers(120, 246, 3).tolist()), 10)
    image.paste(paint, mask=mask.filter(ImageFilter.BoxBlur(int(rng.integers(3)))))
    parts = ImageChops.multiply(parts, mask)
    bar = round((canvas - height) / 2)
    for box in ((0, 0, canvas, bar), (0, canvas - bar, canvas, canvas)):
        if bar:
            image.paste((0, 0, 0), box)
            parts.paste(0, box)
    return Shape(image.reduce(2), np.asarray(parts)[::2, ::2], attributes)


def _polygon(corners: int) -> np.ndarray:
    """Return a regular polygon as radii over a full turn, the corners at 1."""
    sector = 2 * math.pi / corners
    angles = [2 * math.pi * i / drawing.TURN for i in range(drawing.TURN)]
    return np.array([math.cos(sector / 2) / math.cos(a % sector - sector / 2) for a in angles])


def _star() -> np.ndarray:
    """Return a star of five points as radii over a full turn."""
    angles = [2 * math.pi * i / drawing.TURN for i in range(drawing.TURN)]
    return np.array([1 - 0.45 * abs(math.sin(2.5 * a)) for a in angles])


_OUTLINES = (np.ones(drawing.TURN), _polygon(4), _polygon(3), _star())
