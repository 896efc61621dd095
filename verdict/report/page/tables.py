"""The comparison's numbers as the rows of tables, and of plots of intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verdict.comparison.model import Comparison
from verdict.comparison.results import REPLICATED, Estimate
from verdict.predictions import Predictions
from verdict.statistics.counts import Confusion
from verdict.statistics.formats import shortened
from verdict.statistics.kinds import BINARY
from verdict.statistics.measurement import measure
from verdict.statistics.metrics import METRICS
from verdict.summary.wording import (
    SECONDARY,
    capital_title,
    interval,
    meaning_of,
    number,
    p_text,
    shown,
    signed,
    signed_interval,
    units_title,
)

#: Subgroups by one attribute that are shown, the largest; all are in comparison.json.
LISTED = 20

#: The headings of the table of models, by what the metrics below rate.
_HEADINGS = {
    "texts": "Texts against their references",
    "labels": "The likeliest label",
    "probabilities": "The probabilities",
    "words": "The words",
}

#: Steps of the shading of a confusion matrix, from none to the strongest.
STEPS = 10


@dataclass(frozen=True)
class Cell:
    """A number with its interval, as text and, for a plot, in percent of the plot's width."""

    text: str
    interval: str = ""
    at: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One metric of all models and baselines."""

    title: str
    meaning: str
    decisive: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Pair:
    """One model minus another."""

    first: str
    second: str
    metrics: list[Cell]
    #: As in ``p_titles``.
    ps: list[str]


@dataclass(frozen=True)
class SubgroupRow:
    """The records with one value of an attribute: counts, and each model's decisive metric."""

    value: str
    counts: list[str]
    models: list[tuple[str, Cell]]


@dataclass(frozen=True)
class Count:
    """A cell of a confusion matrix: records, their share of the row in percent, its shading."""

    records: int
    percent: int
    step: int
    right: bool


@dataclass(frozen=True)
class Matrix:
    """What one model answered, by what was to be answered."""

    model: str
    predicted: list[str]
    rows: list[tuple[str, list[Count]]]
    records: int


def metric_groups(comparison: Comparison, *, words: bool) -> list[tuple[str, list[Row]]]:
    """Return the table of models by what the metrics rate; a group's rows are metrics.

    Args:
        comparison: of the models.
        words: whether the models write; a classifier does not.
    """
    units = units_title(comparison.noun, linked=comparison.linked)
    groups: dict[str, list[Row]] = {heading: [] for heading in _HEADINGS.values()}
    decisive = comparison.kind.decisive
    for metric in sorted(comparison.kind.metrics, key=lambda metric: metric != decisive):
        rates = "texts" if not comparison.labels else METRICS[metric].rates
        lower = ", lower is better" if METRICS[metric].less_is_better else ""
        row = Row(
            capital_title(metric, comparison.noun) + lower,
            meaning_of(metric, units, comparison.positive),
            metric == decisive,
            [
                metric_cell(metric, estimates.get(metric, Estimate(None)))
                for estimates in comparison.columns.values()
            ],
        )
        groups[_HEADINGS[rates]].append(row)
    if not words:
        del groups[_HEADINGS["words"]]
    return [(heading, rows) for heading, rows in groups.items() if rows]


def main_figure(comparison: Comparison) -> list[tuple[str, list[tuple[str, Cell]], Cell]]:
    """Return for each main metric its title, each model's cell, and that of always the same."""
    return [
        (
            capital_title(metric, comparison.noun),
            [
                (name, metric_cell(metric, found[metric]))
                for name, found in comparison.models.items()
            ],
            metric_cell(metric, comparison.columns["majority"][metric]),
        )
        for metric in comparison.kind.shown("figure")
    ]


def metric_cell(metric: str, estimate: Estimate) -> Cell:
    """Return a metric's cell; its plot goes from 0 to 1."""
    value, low, high = estimate.value, estimate.low, estimate.high
    at, left, right = (percent_of(x, 0, 1) for x in (value, low, high))
    return Cell(number(metric, value), interval(metric, low, high), at, left, right)


def percent_of(value: float | None, low: float, high: float) -> float | None:
    """Return where a value stands between two others, in percent, kept inside."""
    if value is None:
        return None
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)


def heading_of(comparison: Comparison, name: str) -> str:
    """Return what a model, or the mean over trainings, is called in a table."""
    return f"mean of {comparison.trainings} trainings" if name == REPLICATED else name


def column_notes(comparison: Comparison, majority: str) -> dict[str, str]:
    """Return a line under the name of each column; ``majority`` is the commonest answer."""
    notes = dict.fromkeys(comparison.columns, "")
    notes |= dict.fromkeys(comparison.replicates, "another seed")
    notes[comparison.baseline] = "the baseline"
    notes[comparison.candidate] = "the candidate"
    notes |= {name: f"a baseline: {method}" for name, method in comparison.methods.items()}
    known = {"majority": f"always “{shortened(shown(majority))}”", "prior": "guesses by shares"}
    return notes | {name: known[name] for name in comparison.baselines}


def p_titles(comparison: Comparison) -> list[str]:
    """Return the titles of the p values of a pair.

    Those of tests that take records as independent are there only where records are.
    """
    return ["p", "p (Holm)", *(SECONDARY[name] for name in _secondary(comparison))]


def pairs(comparison: Comparison) -> tuple[list[Pair], tuple[str, str, str]]:
    """Return the paired differences, and the ends and middle of the scale that their plots share.

    The plots are of the decisive metric; zero is in the middle.
    """
    decisive = [d.metrics[comparison.kind.decisive] for d in comparison.differences]
    bounds = [bound for found in decisive for bound in (found.low, found.high)]
    reach = scale_of([bound for bound in bounds if bound is not None])
    found = [
        Pair(
            heading_of(comparison, difference.first),
            difference.second,
            [difference_cell(estimate, reach) for estimate in difference.metrics.values()],
            [
                p_text(p)
                for p in (
                    difference.p,
                    difference.p_holm,
                    *(difference.secondary.get(name) for name in _secondary(comparison)),
                )
            ],
        )
        for difference in comparison.differences
    ]
    return found, (f"−{reach:g}", "0", f"+{reach:g}")


def scale_of(bounds: Sequence[float]) -> float:
    """Return the end of a scale around zero that holds these: the next tenth."""
    largest = max((abs(bound) for bound in bounds), default=0)
    return min(1.0, max(1, -int(-largest * 10.0 // 1)) / 10)


def subgroup_rows(comparison: Comparison) -> dict[str, list[SubgroupRow]]:
    """Return the subgroups by attribute, each with the decisive metric of the models.

    Of more than ``LISTED`` values of an attribute the largest are in it.
    """
    metric = comparison.kind.decisive
    found: dict[str, list[SubgroupRow]] = {}
    sizes: dict[str, list[int]] = {}
    for part in comparison.subgroups:
        sizes.setdefault(part.attribute, []).append(part.records)
    least = {name: sorted(held)[-LISTED:][0] for name, held in sizes.items()}
    for part in comparison.subgroups:
        full = len(found.get(part.attribute, ())) == LISTED
        if full or part.records < least[part.attribute]:
            continue
        counts = [n for n in (part.records, part.groups, part.positives) if n is not None]
        cells = [
            (name, _part_cell(metric, part.models[name][metric])) for name in comparison.single
        ]
        row = SubgroupRow(shown(part.value), [f"{count:,}" for count in counts], cells)
        found.setdefault(part.attribute, []).append(row)
    return found


def threshold_rows(comparison: Comparison) -> list[tuple[str, list[tuple[Cell, Cell]]]]:
    """Return for each metric a title and, by model, its cell at the threshold and likeliest."""
    there = comparison.thresholds.models if comparison.thresholds else {}
    return [
        (
            capital_title(metric, comparison.noun),
            [
                (
                    metric_cell(metric, there[name].metrics[metric]),
                    metric_cell(metric, comparison.models[name][metric]),
                )
                for name in comparison.single
                if name in there
            ],
        )
        for metric in BINARY.shown("threshold")
    ]


def matrices(predictions: Mapping[str, Predictions]) -> list[Matrix]:
    """Return a matrix for each model; of free text, of its closed questions alone."""
    return [_matrix(name, measure(found).confusion()) for name, found in predictions.items()]


def _matrix(model: str, table: Confusion) -> Matrix:
    rows = []
    for actual, counts in zip(table.actual, table.counts.tolist(), strict=True):
        total = sum(counts) or 1
        cells = [
            Count(count, round(100 * count / total), round(STEPS * count / total), name == actual)
            for name, count in zip(table.predicted, counts, strict=True)
        ]
        rows.append((shown(actual), cells))
    return Matrix(model, [shown(name) for name in table.predicted], rows, int(table.counts.sum()))


def _secondary(comparison: Comparison) -> list[str]:
    """Return the tests that take records as independent, of which there is a p."""
    held = [difference.secondary for difference in comparison.differences]
    return [test for test in SECONDARY if any(p.get(test) is not None for p in held)]


def difference_cell(estimate: Estimate, reach: float) -> Cell:
    """Return the cell of a difference; its plot goes from -reach to reach."""
    value, low, high = estimate.value, estimate.low, estimate.high
    at, left, right = (percent_of(x, -reach, reach) for x in (value, low, high))
    return Cell(signed(value), signed_interval(low, high), at, left, right)


def _part_cell(metric: str, estimate: Estimate) -> Cell:
    return Cell("undefined") if estimate.value is None else metric_cell(metric, estimate)
