"""Line charts, and the models' ROC, precision–recall and reliability curves as such.

A chart is what the SVG template draws, in its own units: small SVG of our own, because colours then
come from the page's variables, light or dark, and the text stays text.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from verdict.comparison.results import Estimates
from verdict.predictions import Predictions
from verdict.report.page.sources import Sources
from verdict.statistics.probabilities import (
    Curve,
    precision_recall_curves,
    reliability,
    roc_curves,
)
from verdict.summary.wording import number, shown

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
    #: The outline of what its interval covers.
    band: Points = ()


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
    #: A level that means something, and what.
    level: float | None = None
    level_name: str = ""
    #: Whether lines may leave the plot area, where they are cut.
    clipped: bool = False

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


def curve_charts(sources: Sources, slots: Mapping[str, int]) -> dict[str, list[Chart]]:
    """Return the charts of curves by heading; none of free text, which has no probabilities."""
    models = sources.singles
    if not sources.comparison.labels:
        return {}
    rated = sources.comparison.models
    roc = _charts("roc", models, roc_curves, slots, rated)
    precision = _charts("precision", models, precision_recall_curves, slots, rated)
    charts = {
        "ROC": list(roc),
        "Precision and recall": list(precision),
        "Reliability": list(_reliability(models, slots, rated)),
    }
    return {heading: found for heading, found in charts.items() if found}


_AXES = {
    "roc": ("1 − specificity", "sensitivity", "AUROC", "auroc"),
    "precision": ("sensitivity (recall)", "precision", "average precision", "average_precision"),
}


def _charts(
    what: str,
    models: Mapping[str, Predictions],
    curves_of: Callable[[Predictions], dict[str, Curve | None]],
    slots: Mapping[str, int],
    rated: Mapping[str, Estimates],
) -> Iterator[Chart]:
    x, y, area, metric = _AXES[what]
    curves = {model: curves_of(found) for model, found in models.items()}
    first = next(iter(models.values()))
    for label in next(iter(curves.values())):
        lines = []
        for model, found in curves.items():
            if curve := found[label]:
                points = list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
                estimate = rated[model].get(metric)  # None of one label of many.
                value = estimate.value if estimate else None
                note = "" if value is None else f"{area} {number(metric, value)}"
                lines.append(Line(model, slots[model], points, note=note))
        if not lines:
            continue
        share = float((first.actual == first.labels.index(label)).mean())
        chance = [(0, 0), (1, 1)] if what == "roc" else [(0, share), (1, share)]
        areas = "; ".join(f"{line.name}: {line.note}" for line in lines if line.note)
        yield Chart(
            id=f"{what}-{first.labels.index(label)}",
            title=shown(label),
            description=f"{y} against {x} for {shown(label)}. {areas}",
            x=unit_axis(x),
            y=unit_axis(y),
            lines=lines,
            reference=chance,
            reference_name="chance",
            legend=len(curves[first.model]) == 1,
        )


def _reliability(
    models: Mapping[str, Predictions], slots: Mapping[str, int], rated: Mapping[str, Estimates]
) -> Iterator[Chart]:
    lines = []
    for model, found in models.items():
        if curve := reliability(found):
            points = list(zip(curve.stated.tolist(), curve.observed.tolist(), strict=True))
            error = rated[model]["expected_calibration_error"].value
            note = "" if error is None else f"calibration error {error:.3f}"
            lines.append(Line(model, slots[model], points, "dots", note, curve.records.tolist()))
    if not lines:
        return
    positive = next(iter(models.values())).positive
    about = shown(positive) if positive else "the likeliest label"
    errors = "; ".join(f"{line.name}: {line.note}" for line in lines if line.note)
    yield Chart(
        id="reliability",
        title=about,
        description=f"Observed share against the mean stated probability of {about}. {errors}",
        x=unit_axis(f"stated probability of {about}"),
        y=unit_axis("share that came true"),
        lines=lines,
        reference=[(0, 0), (1, 1)],
        reference_name="perfectly calibrated",
    )


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
