"""One field of view of a synthetic slide: its stain, its scale, and what can be painted on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from verdict.synthetic import drawing
from verdict.synthetic.drawing import TURN, Colour, Point

#: Width and height of an image in pixels; the real ones have 700 x 460.
SIZE = (96, 64)
#: Drawn so much larger, so that edges come out smooth.
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Stain:
    """The colours of one slide: haematoxylin paints nuclei purple, eosin the rest pink."""

    stroma: Colour
    cells: Colour
    nucleus: Colour
    mucin: Colour
    white: Colour


_STAIN = Stain(
    stroma=(226, 164, 194),
    cells=(176, 116, 178),
    nucleus=(92, 54, 134),
    mucin=(206, 202, 228),
    white=(240, 234, 242),
)


def make_stain(rng: np.random.Generator) -> Stain:
    """Return a stain; every laboratory's is a little different."""
    depth = 1 + 0.04 * drawing.bell(rng)
    tint = [4 * drawing.bell(rng) for _ in range(3)]

    def stained(colour: Colour) -> Colour:
        whole = [channel * depth + shift for channel, shift in zip(colour, tint, strict=True)]
        return drawing.shifted(rng, whole, 3)

    return Stain(**{name: stained(colour) for name, colour in vars(_STAIN).items()})


class Field:
    """A canvas. Lengths are in units: at a scale of 1, pixels of the finished image."""

    def __init__(self, rng: np.random.Generator, stain: Stain, scale: float):
        self.rng, self.stain = rng, stain
        self._unit = _OVERSAMPLING * scale
        self._size = (SIZE[0] * _OVERSAMPLING, SIZE[1] * _OVERSAMPLING)
        self._image = Image.new("RGB", self._size)
        self._pen = ImageDraw.Draw(self._image)
        #: Colour, width and height of the nuclei to choose from: painting them takes most time.
        self._nuclei = [
            (drawing.shifted(rng, stain.nucleus, 9), self.between(0.8, 1.2), self.between(0.8, 1.2))
            for _ in range(16)
        ]

    def finished(self) -> Image.Image:
        """Return what has been painted, in the size of the finished image."""
        return self._image.reduce(_OVERSAMPLING)

    def between(self, low: float, high: float) -> float:
        """Return a random number."""
        return low + (high - low) * self.rng.random()

    def turn(self) -> int:
        """Return a random direction."""
        return int(self.rng.integers(TURN))

    def ground(self, colour: Colour) -> None:
        """Cover the canvas with one uneven colour."""
        self._image.paste(drawing.mottled(self.rng, self._size, colour, 10))

    def places(self, spacing: float, jitter: float) -> list[Point]:
        """Return points all over the canvas, ``spacing`` units apart, in random order.

        ``jitter``: how far they stray, as a share of the spacing.
        """
        step = spacing * self._unit
        rows = int(self._size[1] / (0.875 * step)) + 2
        columns = int(self._size[0] / step) + 2
        x, y = -step * self.rng.random(), -step * self.rng.random()
        found = [
            (
                x + step * (column + row % 2 / 2 + jitter * (self.rng.random() - 0.5)),
                y + step * (0.875 * row + jitter * (self.rng.random() - 0.5)),
            )
            for row in range(rows)
            for column in range(columns)
        ]
        return [found[index] for index in self.rng.permutation(len(found)).tolist()]

    def shape(self, ragged: float) -> np.ndarray:
        """Return an uneven outline, as radii around 1."""
        return drawing.waves(self.rng, {2: ragged, 3: ragged, 5: ragged, 8: ragged / 2})

    def paint(
        self,
        radii: np.ndarray,
        centre: Point,
        radius: float,
        colour: Colour,
        *,
        stretch: float = 1.0,
        turn: int = 0,
    ) -> None:
        """Fill an outline."""
        points = self._outline(radii, centre, radius, stretch, turn)
        self._pen.polygon(points, fill=drawing.shifted(self.rng, colour, 3))

    def line(
        self,
        radii: np.ndarray,
        centre: Point,
        radius: float,
        *,
        nuclei: int,
        size: float,
        stretch: float = 1.0,
        turn: int = 0,
    ) -> None:
        """Set so many nuclei of ``size`` units along an outline."""
        points = self._outline(radii, centre, radius, stretch, turn)
        start = self.turn()
        for index in range(nuclei):
            self.nucleus(points[(start + index * TURN // nuclei) % TURN], size)

    def fill(
        self, radii: np.ndarray, centre: Point, radius: float, *, spacing: float, size: float
    ) -> None:
        """Set nuclei within an outline, in rings ``spacing`` units apart."""
        distance = spacing / 2
        while distance < radius:
            count = max(1, round(6 * distance / spacing))
            self.line(radii, centre, distance, nuclei=count, size=size)
            distance += spacing

    def nucleus(self, centre: Point, size: float) -> None:
        """Paint a nucleus, each a little other than the next."""
        x, y = centre
        if not (-9 < x < self._size[0] + 9 and -9 < y < self._size[1] + 9):
            return
        colour, width, height = self._nuclei[int(self.rng.integers(len(self._nuclei)))]
        dx, dy = width * size * self._unit, height * size * self._unit
        self._pen.ellipse((round(x - dx), round(y - dy), round(x + dx), round(y + dy)), fill=colour)

    def _outline(
        self, radii: np.ndarray, centre: Point, radius: float, stretch: float, turn: int
    ) -> Sequence[Point]:
        return drawing.outline(
            radii, radius * self._unit, centre=centre, stretch=stretch, turn=turn
        )
