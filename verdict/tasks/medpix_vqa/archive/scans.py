"""Draw the synthetic scans: grey pictures that show modality, plane, region and mass.

They stand for nothing clinical. The outline tells the plane, what lies inside it the region, and
ground, contrast and texture the modality; a mass is a bright spot in a dark rim. Left and right are
those of the picture. As by many machines, a scale is burned in, by the plane at another edge.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from verdict.synthetic import drawing
from verdict.synthetic.drawing import Point
from verdict.tasks.medpix_vqa.archive.cases import Scan


@dataclass(frozen=True)
class _Look:
    """How a modality shows matter, as grey levels, and its picture.

    Attributes:
        blur: radius of softness, in pixels of a canvas twice the picture's size.
        grain: strength of the noise.
    """

    ground: int
    air: int
    fluid: int
    tissue: int
    organ: int
    bone: int
    blur: int
    grain: int


_LOOKS = {
    "CT": _Look(ground=4, air=14, fluid=72, tissue=104, organ=134, bone=236, blur=1, grain=6),
    "MRI": _Look(ground=8, air=20, fluid=44, tissue=98, organ=156, bone=60, blur=4, grain=3),
    # A film is exposed beyond the body too, and bones show through whatever lies before them.
    "X-ray": _Look(ground=84, air=96, fluid=138, tissue=146, organ=164, bone=208, blur=6, grain=5),
    "Ultrasound": _Look(
        ground=2, air=26, fluid=12, tissue=84, organ=124, bone=196, blur=2, grain=0
    ),
}
#: Brightest of all, in every modality.
_MASS = 255
_SCALE = 225
#: Half width and half height of the body, as a share of the picture's shorter side.
_HALVES = {"Axial": (0.47, 0.30), "Coronal": (0.28, 0.47), "Sagittal": (0.47, 0.47)}
#: How much of the body's back, on the right, is left in a sagittal picture: it is flat there.
_FLAT_BACK = 0.3


@dataclass(frozen=True)
class _Body:
    """Where the body lies: its middle and half its width and height, in pixels."""

    middle: Point
    half: Point

    def at(self, x: float, y: float) -> Point:
        """Return the point at ``x`` and ``y``, which are -1 to 1 within the body."""
        return self.middle[0] + x * self.half[0], self.middle[1] + y * self.half[1]


def draw_png(scan: Scan) -> bytes:
    """Return the picture as a grey PNG of 88 to 144 pixels a side."""
    buffer = io.BytesIO()
    _draw(scan).save(buffer, "PNG")
    return buffer.getvalue()


def _draw(scan: Scan) -> Image.Image:
    rng = np.random.default_rng(scan.seed)
    look = _LOOKS[scan.modality]
    # Drawn at twice the size, so that edges come out smooth.
    width, height = (2 * int(side) for side in rng.integers(88, 129, 2))
    height = min(height, round(width * 1.1))
    width = min(width, round(height * 1.1))
    body = _place(rng, scan, (width, height))
    ground = Image.new("L", (width, height), look.ground)
    if scan.modality == "X-ray":
        light = Image.new("L", (1, 2), look.ground - 24)
        light.putpixel((0, 1), look.ground + 24)  # lighter below
        ground = light.resize(ground.size, Image.Resampling.BILINEAR)

    inside = _inside(rng, scan, look, body, ground.size)
    outline = _outline(rng, scan, body)
    mask = Image.new("L", ground.size, 0)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    if scan.modality in ("CT", "Ultrasound"):  # bone, or the echo of the surface
        ImageDraw.Draw(inside).line([*outline, outline[0]], fill=look.bone, width=width // 18)
    ground.paste(inside, mask=mask.filter(ImageFilter.BoxBlur(1 + look.blur // 2)))
    image = _textured(rng, scan, look, ground.reduce(2))
    _burn_in_scale(image, scan.plane)
    return image


def _place(rng: np.random.Generator, scan: Scan, size: tuple[int, int]) -> _Body:
    short = min(size)
    scale = short * (0.94 + 0.08 * rng.random())
    low = 0.0
    if scan.modality == "Ultrasound":  # below, where the fan is wide enough
        scale, low = scale * 0.85, 0.08 * short
    half = _HALVES[scan.plane]
    x = size[0] / 2 + 0.015 * short * drawing.bell(rng)
    y = size[1] / 2 + 0.015 * short * drawing.bell(rng) + low
    return _Body((x, y), (half[0] * scale, half[1] * scale))


def _outline(rng: np.random.Generator, scan: Scan, body: _Body) -> list[Point]:
    radii = drawing.waves(rng, {2: 0.012, 3: 0.015, 5: 0.008})
    points = _ellipse(radii, body, (0, 0), (1, 1))
    if scan.plane != "Sagittal":
        return points
    middle = body.middle[0]
    return [(x if x < middle else middle + _FLAT_BACK * (x - middle), y) for x, y in points]


def _ellipse(radii: np.ndarray, body: _Body, centre: Point, half: Point) -> list[Point]:
    """Return an ellipse; ``centre`` and ``half`` widths are in the body's -1 to 1."""
    across, down = half[0] * body.half[0], half[1] * body.half[1]
    return drawing.outline(
        radii,
        math.sqrt(across * down),
        centre=body.at(*centre),
        stretch=math.sqrt(across / down),
    )


def _burn_in_scale(image: Image.Image, plane: str) -> None:
    """Draw the scale that lies below an axial picture, and beside a coronal one."""
    pen, unit = ImageDraw.Draw(image), min(image.size) // 24
    if plane == "Axial":
        right, bottom = image.width - 3 * unit, image.height - 2 * unit
        pen.rectangle((3 * unit, bottom - unit, right, bottom), fill=_SCALE)
    elif plane == "Coronal":
        for top in range(2 * unit, image.height - 3 * unit, 2 * unit):
            pen.rectangle((2 * unit, top, 4 * unit, top + unit - 1), fill=_SCALE)


@dataclass(frozen=True)
class _Organ:
    """An ellipse in the body: of which matter, where, and how wide and high."""

    matter: str
    centre: Point
    half: Point


def _inside(
    rng: np.random.Generator, scan: Scan, look: _Look, body: _Body, size: tuple[int, int]
) -> Image.Image:
    """Return the matter in the body, over the whole frame."""
    image = Image.new("L", size, look.tissue)
    pen = ImageDraw.Draw(image)
    from_side = scan.plane == "Sagittal"
    for organ in _ORGANS[scan.region](from_side):
        moved = tuple(c + 0.02 * drawing.bell(rng) for c in organ.centre)
        scale = 0.93 + 0.14 * rng.random()
        half = (organ.half[0] * scale, organ.half[1] * scale)
        radii = drawing.waves(rng, {2: 0.03, 3: 0.03})
        polygon = _ellipse(radii, body, (moved[0], moved[1]), half)
        pen.polygon(polygon, fill=getattr(look, organ.matter))
    if from_side or scan.modality == "X-ray":
        _draw_spine(pen, look, body, x=0.18 if from_side else 0.0)
    image = image.filter(ImageFilter.BoxBlur(look.blur))
    if scan.mass:
        _draw_mass(rng, ImageDraw.Draw(image), scan, look, body)
    return image.filter(ImageFilter.BoxBlur(1))


def _head(from_side: bool) -> Iterator[_Organ]:
    yield _Organ("organ", (-0.1 if from_side else 0, 0), (0.72 if from_side else 0.84, 0.84))
    if from_side:
        yield _Organ("fluid", (-0.2, -0.1), (0.4, 0.12))
        yield _Organ("tissue", (0.0, 0.5), (0.28, 0.22))
        return
    for side in (-1, 1):
        yield _Organ("fluid", (0.2 * side, -0.05), (0.12, 0.36))
    yield _Organ("bone", (0, 0), (0.03, 0.8))


def _chest(from_side: bool) -> Iterator[_Organ]:
    if from_side:
        yield _Organ("air", (-0.25, -0.05), (0.5, 0.75))
        yield _Organ("organ", (-0.4, 0.35), (0.26, 0.3))
        return
    for side in (-1, 1):
        yield _Organ("air", (0.47 * side, 0), (0.36, 0.7))
    yield _Organ("organ", (0.1, 0.2), (0.26, 0.36))


def _abdomen(from_side: bool) -> Iterator[_Organ]:
    yield _Organ("organ", (-0.4, -0.3), (0.5, 0.44))
    yield _Organ("air", (0.05 if from_side else 0.42, -0.42), (0.2, 0.2))
    for side in (-1, 1):
        for x in (0.16, 0.5):
            if not (from_side and side * x > 0.2):
                yield _Organ("fluid", (side * x, 0.48), (0.13, 0.17))


def _pelvis(from_side: bool) -> Iterator[_Organ]:
    yield _Organ("fluid", (-0.3 if from_side else 0, -0.05), (0.3, 0.3))
    for side in (-1,) if from_side else (-1, 1):
        hip = (-0.25, 0.5) if from_side else (0.55 * side, 0.42)
        yield _Organ("bone", hip, (0.27, 0.3))
        yield _Organ("tissue", hip, (0.14, 0.16))
        if not from_side:
            yield _Organ("bone", (0.62 * side, -0.45), (0.12, 0.34))


_ORGANS = {"Head": _head, "Chest": _chest, "Abdomen": _abdomen, "Pelvis": _pelvis}


def _draw_spine(pen: ImageDraw.ImageDraw, look: _Look, body: _Body, x: float) -> None:
    for step in range(9):
        y = -0.88 + 0.2 * step
        left, top = body.at(x - 0.07, y)
        right, bottom = body.at(x + 0.07, y + 0.14)
        pen.rectangle([round(v) for v in (left, top, right, bottom)], fill=look.bone)


def _draw_mass(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, scan: Scan, look: _Look, body: _Body
) -> None:
    away = 0.44 + 0.12 * rng.random()
    # In a sagittal picture there is less room behind the middle.
    x = -away if scan.mass == "left" else (0 if scan.plane == "Sagittal" else away)
    y = 0.6 * (rng.random() - 0.5)
    radius = math.sqrt(body.half[0] * body.half[1]) * (0.27 + 0.06 * rng.random())
    radii = drawing.waves(rng, {3: 0.06, 5: 0.06, 7: 0.04})
    for scale, grey in ((1.35, look.air), (1.0, _MASS)):
        pen.polygon(drawing.outline(radii, radius * scale, centre=body.at(x, y)), fill=grey)


def _textured(rng: np.random.Generator, scan: Scan, look: _Look, image: Image.Image) -> Image.Image:
    """Return the picture with the modality's noise; for ultrasound speckle, in its fan."""
    pixels = np.asarray(image).astype(np.int64)
    shape = pixels.shape
    if scan.modality == "Ultrasound":
        speckle = rng.integers(24, 129, shape) + rng.integers(0, 65, shape)
        fan = Image.new("L", image.size, 0)
        apex = (image.width / 2, -0.06 * image.height)
        arc = drawing.outline(np.ones(drawing.TURN), 1.04 * image.height, centre=apex)
        down = drawing.TURN // 4
        ImageDraw.Draw(fan).polygon([apex, *arc[down - 12 : down + 13]], fill=1)
        pixels = (pixels + 18) * speckle // 112 * np.asarray(fan)
    else:
        strength = look.grain
        pixels = pixels + rng.integers(-strength, strength + 1, shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
