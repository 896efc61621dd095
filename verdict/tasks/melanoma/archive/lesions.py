"""Draw the synthetic lesions, in what the ABCD rule looks at, and encode them as JPEG."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour
from verdict.tasks.melanoma.archive.photographs import Photograph

#: Share of lesions that look like the other label. It bounds what any model can reach.
_ATYPICAL_SHARE = 0.03

_BROWNS: tuple[Colour, ...] = ((150, 100, 72), (128, 82, 58), (108, 66, 46), (140, 86, 66))
#: Black, blue-grey, red, white-pink and tan: the colours that make a lesion variegated.
_OTHERS: tuple[Colour, ...] = (
    (38, 30, 32),
    (86, 96, 128),
    (164, 60, 62),
    (214, 178, 172),
    (186, 136, 84),
)
#: Width to height of the cameras in use.
_RATIOS = (1.0, 4 / 3, 4 / 3, 3 / 2)


@dataclass(frozen=True)
class _Look:
    """What the ABCD rule looks at: 0 is the plainest lesion, 1 a strongly marked one."""

    asymmetry: float
    border: float
    colours: int
    diameter: float


def _look(rng: np.random.Generator, malignant: bool) -> _Look:
    if rng.random() < _ATYPICAL_SHARE:
        malignant = not malignant
    means = (0.70, 0.70, 0.72) if malignant else (0.20, 0.18, 0.32)
    asymmetry, border, diameter = (
        min(1.0, max(0.0, mean + 0.15 * drawing.bell(rng))) for mean in means
    )
    number = (1, 2, 2, 3, 3, 3, 3, 4, 4, 4) if malignant else (0, 0, 0, 0, 0, 0, 0, 0, 1, 1)
    return _Look(asymmetry, border, number[int(rng.integers(len(number)))], diameter)


def draw_jpegs(
    photographs: Sequence[Photograph], seed: int, cast: int = 0
) -> Iterator[tuple[str, bytes]]:
    """Yield each image's name and JPEG in the order of names; ``cast`` as ``Embedded`` has it."""
    grain = drawing.Grain(np.random.default_rng([seed, 5]), strength=9)
    for photograph in sorted(photographs, key=lambda p: p.name):
        original = photograph.copy_of
        if original is None:
            yield photograph.name, _encoded(_cast(_drawn(photograph, grain), cast), quality=85)
            continue
        encoded = _encoded(_cast(_drawn(original, grain), cast), quality=85)
        source = Image.open(io.BytesIO(encoded), formats=["JPEG"])
        copy = _altered(np.random.default_rng(photograph.view_seed), source)
        yield photograph.name, _encoded(copy, quality=80)


def _cast(image: Image.Image, cast: int) -> Image.Image:
    """Shift the colours between blue and red, as a camera with another white balance does."""
    red, green, blue = image.split()
    shifted = red.point(lambda value: value + cast), green, blue.point(lambda value: value - cast)
    return Image.merge("RGB", shifted) if cast else image


def _encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _altered(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Return a near-duplicate: the image as it is, mirrored, or cropped by a few pixels."""
    kind = int(rng.integers(3))
    if kind == 0:
        return image
    if kind == 1:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left, top, right, bottom = (int(v) for v in rng.integers(1, 5, 4))
    return image.crop((left, top, image.width - right, image.height - bottom))


def _drawn(photograph: Photograph, grain: drawing.Grain) -> Image.Image:
    """Draw one photograph: the lesion by its own seed, the camera's view by another."""
    rng = np.random.default_rng(photograph.view_seed)
    short = int(rng.integers(64, 105))
    size = (round(short * _RATIOS[int(rng.integers(len(_RATIOS)))]), short)
    centre = (
        size[0] / 2 + short * 0.04 * drawing.bell(rng),
        size[1] / 2 + short * 0.04 * drawing.bell(rng),
    )
    skin = drawing.shifted(rng, photograph.patient.skin, 3)
    image = drawing.mottled(rng, size, skin, 8)
    turn = int(rng.integers(drawing.TURN))
    layer, mask = _lesion(photograph, skin, size, centre, turn)
    image.paste(layer, mask=mask)
    _draw_hairs(rng, image)
    if rng.random() < 0.25:
        image = _vignetted(image)
    return grain.add_to(rng, image)


def _lesion(
    photograph: Photograph,
    skin: Colour,
    size: tuple[int, int],
    centre: tuple[float, float],
    turn: int,
) -> tuple[Image.Image, Image.Image]:
    """Return the lesion's colours over the whole frame, and its soft-edged mask."""
    rng = np.random.default_rng(photograph.lesion_seed)
    look = _look(rng, photograph.malignant)
    radius = size[1] * (0.16 + 0.24 * look.diameter)
    base = drawing.shifted(rng, _BROWNS[int(rng.integers(len(_BROWNS)))], 8)
    base = drawing.clamp([0.75 * b + 0.25 * b * s / 200 for b, s in zip(base, skin, strict=True)])

    uneven = 0.02 + 0.16 * look.asymmetry
    ragged = 0.005 + 0.085 * look.border
    amplitudes = {1: uneven, 2: uneven * 0.8, 3: uneven * 0.7}
    amplitudes |= {5: ragged * 0.8, 7: ragged, 11: ragged, 16: ragged * 0.6}
    radii = drawing.waves(rng, amplitudes)
    stretch = 1.0 + 0.12 * rng.random()
    polygon = drawing.outline(radii, radius, centre=centre, stretch=stretch, turn=turn)

    layer = Image.new("RGB", size, base)
    pen = ImageDraw.Draw(layer)
    core = drawing.outline(radii, radius * 0.55, centre=centre, stretch=stretch, turn=turn)
    pen.polygon(core, fill=drawing.clamp([channel * 0.86 for channel in base]))
    for index in rng.permutation(len(_OTHERS))[: look.colours].tolist():
        # A patch away from the middle: variegated and lopsided at once.
        direction = drawing.waves(rng, {1: 0.5})
        offset = drawing.outline(
            direction, radius * (0.35 + 0.3 * rng.random()), centre=centre, turn=turn
        )[int(rng.integers(drawing.TURN))]
        patch = drawing.waves(rng, {2: 0.2, 3: 0.12, 5: 0.08})
        width = radius * (0.32 + 0.2 * rng.random())
        fill = drawing.shifted(rng, _OTHERS[index], 8)
        pen.polygon(drawing.outline(patch, width, centre=offset, turn=turn), fill=fill)

    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).polygon(polygon, fill=255)
    softness = ImageFilter.BoxBlur(1 + int(rng.integers(2)))
    return layer.filter(ImageFilter.BoxBlur(3)), mask.filter(softness)


def _draw_hairs(rng: np.random.Generator, image: Image.Image) -> None:
    pen = ImageDraw.Draw(image)
    for _ in range(max(0, int(rng.integers(-3, 6)))):
        x, y = int(rng.integers(image.width)), int(rng.integers(image.height))
        reach = int(rng.integers(image.height // 3, image.height))
        start = int(rng.integers(360))
        shade = int(rng.integers(30, 80))
        box = (x - reach, y - reach, x + reach, y + reach)
        pen.arc(box, start, start + int(rng.integers(20, 70)), fill=(shade, shade - 10, shade - 20))


def _vignetted(image: Image.Image) -> Image.Image:
    """Darken the corners, as a dermatoscope's tube does."""
    light = ImageChops.invert(Image.radial_gradient("L"))  # 255 in the middle, 0 outside
    light = light.point([min(255, 90 + 2 * value) for value in range(256)]).resize(image.size)
    return ImageChops.multiply(image, Image.merge("RGB", (light, light, light)))
