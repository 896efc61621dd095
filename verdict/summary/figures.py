"""Figures of a comparison: bars with intervals, and confusion matrices side by side.

Drawn without pyplot, so without a display and without state; a user's matplotlibrc is not read.
The bytes of a PNG depend on the numbers and the pinned matplotlib alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate
from verdict.core.files import replacing
from verdict.statistics.formats import format_percent, shortened
from verdict.summary.wording import heading, metric_title, shown

DPI = 160

#: The baseline's, a grey; the candidate's, and the others' (``colour_slots``), by Okabe and Ito,
#: whose palette colour-blind people can tell apart.
COLOURS = ("#9A9A9A", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")

INK, PALE_INK, GRID = "#222222", "#5A5A5A", "#E3E3E3"

MAJORITY_LINE: dict[str, Any] = {"color": INK, "lw": 1.1, "ls": (0, (4, 2)), "clip_on": False}

#: White to the candidate's blue.
SHARES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#CFE3F1", "#0072B2", "#003B5C"])


def write_comparison_figure(path: Path | str, comparison: Comparison) -> None:
    """Draw the models' main metrics as bars with intervals, the majority baseline as lines."""
    with _style():
        _save(_comparison_figure(comparison), path)


def write_confusion_figure(path: Path | str, comparison: Comparison) -> None:
    """Draw each model's confusion matrix; all share one colour scale, by shares of a row."""
    with _style():
        _save(_confusion_figure(comparison), path)


def _comparison_figure(comparison: Comparison) -> Figure:
    figure = Figure(figsize=(9, 5))
    axes = figure.add_axes((0.061, 0.075, 0.92, 0.71))
    metrics = comparison.kind.shown("figure")
    colours = {model: COLOURS[slot] for model, slot in colour_slots(comparison).items()}
    width = 0.8 / len(colours)
    for i, (model, colour) in enumerate(colours.items()):
        offset = (i - (len(colours) - 1) / 2) * width
        for position, metric in enumerate(metrics):
            _bar(axes, position + offset, width * 0.9, comparison.models[model][metric], colour)
    for position, metric in enumerate(metrics):
        level = comparison.baselines["majority"][metric]
        if level is not None:
            axes.hlines(level, position - 0.45, position + 0.45, **MAJORITY_LINE, zorder=4)
    titles = [metric_title(metric, comparison.noun) for metric in metrics]
    axes.set_xticks(range(len(metrics)), titles)
    axes.set_xlim(-0.55, len(metrics) - 0.45)
    axes.set_ylim(0, 1.08)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=PALE_INK)
    handles: list[Patch | Line2D] = [
        Patch(color=colour, label=heading(comparison, model)) for model, colour in colours.items()
    ]
    always = f"always '{shown(shortened(comparison.majority))}'"
    handles.append(Line2D([], [], **MAJORITY_LINE, label=always))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.055, 0.865),
        ncols=len(handles),
        frameon=False,
        borderpad=0,
        handlelength=1.6,
        columnspacing=1.8,
    )
    _headings(
        figure,
        comparison.verdict.headline,
        f"{_extent(comparison)}; lines are {format_percent(comparison.confidence)} "
        f"intervals (bootstrap over {comparison.noun})",
        0.55,
    )
    return figure


def _bar(axes: Axes, x: float, width: float, estimate: Estimate, colour: str) -> None:
    """Draw one bar with its interval, and its value above both."""
    if estimate.value is None:
        axes.text(x, 0.01, "undefined", ha="center", va="bottom", rotation=90, color=PALE_INK)
        return
    axes.bar(x, estimate.value, width, color=colour, zorder=2)
    top = estimate.value
    if estimate.low is not None and estimate.high is not None:
        axes.vlines(x, estimate.low, estimate.high, INK, lw=1.3, zorder=3)
        top = max(top, estimate.high)
    text = axes.text(x, top + 0.012, f"{estimate.value:.2f}", ha="center", fontsize=9, zorder=5)
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _confusion_figure(comparison: Comparison) -> Figure:
    """Lay square panels out in inches, so that cells keep their size whatever the labels."""
    tables = comparison.confusion
    first = tables[comparison.baseline]
    actual, predicted = ([shown(x) for x in labels] for labels in (first.actual, first.predicted))
    many = len(predicted) > 3
    columns = min(len(tables), 2 if many else 3)
    rows = -(-len(tables) // columns)
    longest = max(len(label) for label in (*actual, *predicted)) * 0.085
    cell = max(2.5 / len(predicted), 0.56 if many else longest + 0.15)
    wide, high = cell * len(predicted), cell * len(actual)
    left, bottom = 0.65 + longest, (0.5 + longest if many else 0.65)
    across, down = wide + 0.25, high + bottom + 0.4
    width, height = max(left + columns * across, 7.0), 0.8 + rows * down
    figure = Figure(figsize=(width, height))
    for i, (model, table) in enumerate(tables.items()):
        row, column = divmod(i, columns)
        x, y = left + column * across, bottom + (rows - 1 - row) * down
        axes = figure.add_axes((x / width, y / height, wide / width, high / height))
        _confusion_panel(axes, table.counts, actual, predicted, first=column == 0, many=many)
        axes.set_title(heading(comparison, model), fontsize=11, weight="bold", pad=6)
    if comparison.labels:
        title, extent = "What each model answered", _extent(comparison)
    else:
        title = "What each model answered to yes-or-no questions"
        extent = f"{first.counts.sum():,} of {_extent(comparison)}"
    _headings(figure, title, f"{extent}; in a cell: records, and their share of the row", 0.2)
    return figure


def _confusion_panel(
    axes: Axes,
    counts: np.ndarray,
    actual: list[str],
    predicted: list[str],
    *,
    first: bool,
    many: bool,
) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        count, share = counts[row, column], shares[row, column]
        axes.text(
            column,
            row,
            f"{count:,}\n{100 * share:.0f} %" if count else "0",
            ha="center",
            va="center",
            fontsize=8 if many else 11,
            color="white" if share > 0.62 else INK if count else PALE_INK,
        )
    axes.set_xticks(range(len(predicted)), predicted, rotation=90 if many else 0)
    axes.set_yticks(range(len(actual)), actual if first else [])
    axes.set_xticks(np.arange(len(predicted) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(actual) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("predicted", color=PALE_INK)
    if first:
        axes.set_ylabel("actual", color=PALE_INK)
    axes.spines[:].set_color(GRID)


def _headings(figure: Figure, title: str, subtitle: str, left: float) -> None:
    """Write two lines at the top, ``left`` inches from the edge."""
    x, inch = left / figure.get_figwidth(), 1 / figure.get_figheight()
    figure.text(x, 1 - 0.16 * inch, title, fontsize=14, weight="bold", va="top")
    figure.text(x, 1 - 0.47 * inch, subtitle, fontsize=9.5, color=PALE_INK, va="top")


def _extent(comparison: Comparison) -> str:
    data = "synthetic records" if comparison.synthetic else "records"
    return f"{comparison.records:,} {data} of {comparison.groups:,} {comparison.noun}"


def colour_slots(comparison: Comparison) -> dict[str, int]:
    """Return each model's place in ``COLOURS``: first the baseline, then the candidate."""
    others = [m for m in comparison.models if m not in (comparison.baseline, comparison.candidate)]
    slots = {comparison.baseline: 0, comparison.candidate: 1}
    slots |= {model: 2 + i % (len(COLOURS) - 2) for i, model in enumerate(others)}
    return {model: slots[model] for model in comparison.models}


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": "DejaVu Sans",
                "font.size": 10,
                "text.color": INK,
                "xtick.color": INK,
                "ytick.color": INK,
            }
        )
        yield


def _save(figure: Figure, path: Path | str) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI, metadata={"Software": None})
