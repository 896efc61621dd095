"""Drawing for synthetic images, the same to the last bit on every x86-64 machine.

Sines, exponentials and normal deviates may differ in their last bit between instruction sets.
So shapes come from a table of integers and from additions, multiplications and divisions, which
IEEE 754 fixes exactly; coordinates are rounded before Pillow, whose drawing, resizing and blurring
of 8-bit images are integer arithmetic, sees them.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

Point = tuple[float, float]
Colour = tuple[int, int, int]

#: Directions in a full turn: an outline has this many points.
TURN = 96
#: Cosine of each direction in 1/4096. None lies near a half, so rounding hides the last bit.
_COSINES = np.array(
    [round(4096 * math.cos(2 * math.pi * i / TURN)) for i in range(TURN)], dtype=np.int64
)
_SINES = np.roll(_COSINES, TURN // 4)


def bell(rng: np.random.Generator) -> float:
    """Return a bell-shaped random number: mean 0, standard deviation 1, never beyond 3.5.

    It is the sum of four uniform numbers (Irwin-Hall), exact where a normal deviate is not.
    """
    total = rng.random() + rng.random() + rng.random() + rng.random()
    return (total - 2.0) * 1.7320508075688772


def waves(rng: np.random.Generator, amplitudes: Mapping[int, float]) -> np.ndarray:
    """Return ``TURN`` radii around 1: a circle with waves on it, each at a random phase.

    ``amplitudes`` maps the number of waves in a full turn to their height as a share of the
    radius. Low numbers make a shape lopsided, high ones make its border ragged.
    """
    directions = np.arange(TURN)
    radii = np.ones(TURN)
    for count, amplitude in amplitudes.items():
        phase = int(rng.integers(TURN))
        radii = radii + (amplitude / 4096) * _COSINES[(count * directions + phase) % TURN]
    return np.maximum(radii, 0.15)


def outline(
    radii: np.ndarray, radius: float, *, centre: Point, stretch: float = 1.0, turn: int = 0
) -> list[Point]:
    """Return the polygon of a shape in pixels, rounded to 1/16 pixel.

    ``radii`` are ``TURN`` factors of ``radius``; the shape is ``stretch`` times longer than it
    would be (and as much narrower) along one axis, then turned by ``turn`` directions.
    """
    x = radii * _COSINES * (radius * stretch / 4096)
    y = radii * _SINES * (radius / (stretch * 4096))
    cosine, sine = _COSINES[turn % TURN] / 4096, _SINES[turn % TURN] / 4096
    points = zip(
        _sixteenths(x * cosine - y * sine + centre[0]),
        _sixteenths(x * sine + y * cosine + centre[1]),
        strict=True,
    )
    return list(points)


def clamp(values: Sequence[float]) -> Colour:
    """Return red, green and blue as whole numbers from 0 to 255."""
    red, green, blue = (min(255, max(0, round(value))) for value in values)
    return red, green, blue


def shifted(rng: np.random.Generator, colour: Sequence[float], spread: float) -> Colour:
    """Return ``colour`` with each channel moved at random, by ``spread`` on average."""
    return clamp([channel + spread * bell(rng) for channel in colour])


def mottled(
    rng: np.random.Generator, size: tuple[int, int], colour: Sequence[float], strength: int
) -> Image.Image:
    """Return an image of about one colour with soft, broad unevenness of up to ``strength``."""
    coarse = np.asarray(colour)[None, None, :] + rng.integers(-strength, strength + 1, (5, 5, 1))
    small = Image.fromarray(np.clip(np.rint(coarse), 0, 255).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


class Grain:
    """Sensor noise: one tile of random numbers, of which each image takes a piece."""

    def __init__(self, rng: np.random.Generator, strength: int, side: int = 512):
        noise = rng.integers(-strength, strength + 1, (side, side, 3))
        self._tile = (noise + rng.integers(-strength, strength + 1, (side, side, 3))) // 2
        self._tile = self._tile.astype(np.int16)

    def add_to(self, rng: np.random.Generator, image: Image.Image) -> Image.Image:
        """Return ``image`` (RGB, at most as large as the tile) with noise."""
        top = int(rng.integers(self._tile.shape[0] - image.height + 1))
        left = int(rng.integers(self._tile.shape[1] - image.width + 1))
        noise = self._tile[top : top + image.height, left : left + image.width]
        noisy = np.clip(np.asarray(image).astype(np.int16) + noise, 0, 255)
        return Image.fromarray(noisy.astype(np.uint8))


def _sixteenths(values: np.ndarray) -> list[float]:
    return [value / 16 for value in np.rint(values * 16).tolist()]
