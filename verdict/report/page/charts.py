"""The geometry of line charts: what the SVG template draws, in its own units.

The charts are small SVG of our own, because colours then come from the page's variables, light or
dark, and the text stays text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: Margins around the plot area, in units of the SVG: left, top, right, bottom.
LEFT, TOP, RIGHT, BOTTOM = 50, 8, 12, 42

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A series of points; ``slot`` chooses its colour, its dashes and its marker."""

    name: str
    slot: int
    points: Points
    #: Dots where each point counts.
    style: Literal["line", "dots"] = "line"
    #: Behind the name in the legend.
    note: str = ""
    #: How many records each point holds, where that is to be seen.
    counts: Sequence[int] = ()


@dataclass(frozen=True)
class Axis:
    """A linear axis."""

    title: str
    low: float
    high: float
    ticks: list[tuple[float, str]]

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Chart:
    """A line chart; the template reads its numbers and draws."""

    id: str
    title: str
    #: What a reader who does not see the chart is told.
    description: str
    x: Axis
    y: Axis
    lines: list[Line]
    #: A line that means chance, or perfect calibration, and what it means.
    reference: Points = ()
    reference_name: str = ""
    width: int = 300
    height: int = 270
    legend: bool = True

    @property
    def plot(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom edge of the plot area."""
        return LEFT, TOP, self.width - RIGHT, self.height - BOTTOM

    def at_x(self, value: float) -> float:
        left, _, right, _ = self.plot
        return round(left + (right - left) * self.x.share(value), 1)

    def at_y(self, value: float) -> float:
        _, top, _, bottom = self.plot
        return round(bottom - (bottom - top) * self.y.share(value), 1)

    def polyline(self, points: Points) -> str:
        """Return the points as the ``points`` of an SVG polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.placed(points))

    def placed(self, points: Points) -> list[tuple[float, float]]:
        """Return the points in the units of the SVG, without repeats."""
        found = [(self.at_x(x), self.at_y(y)) for x, y in points]
        return [point for i, point in enumerate(found) if i == 0 or point != found[i - 1]]

    def dots(self, line: Line) -> list[tuple[float, float, float, int]]:
        """Return place, size and records of each dot; the more records, the larger it is."""
        most = max(line.counts, default=1)
        return [
            (self.at_x(x), self.at_y(y), round(0.45 + 0.85 * math.sqrt(count / most), 2), count)
            for (x, y), count in zip(line.points, line.counts, strict=True)
        ]


def unit_axis(title: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(title, 0, 1, [(tick / 4, f"{tick / 4:g}") for tick in range(5)])


def axis_around(title: str, values: Sequence[float], *, zero: bool = False) -> Axis:
    """Return an axis with round ticks that holds the values; with ``zero`` it begins there."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = 0.0 if zero else low
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = _round_step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [(i * step, _short(i * step)) for i in range(first, last + 1)]
    return Axis(title, first * step, last * step, ticks)


def _short(value: float) -> str:
    """Return a tick's text: 0.25, or 7.5e-4 where zeros would fill the margin."""
    if value == 0 or abs(value) >= 0.001:
        return f"{value:.6g}"
    power = math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value / 10.0**power:.3g}e{power}"


def _round_step(size: float) -> float:
    """Return the next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= size * (1 - 1e-9))
