"""The comparison's flat numbers as the rows of tables and of plots of intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verdict.report.names import FIGURE_METRICS, units_title
from verdict.report.page.wording import (
    LOWER_IS_BETTER,
    interval,
    meaning_of,
    number,
    shown,
    title_of,
)
from verdict.statistics.formats import (
    AT_THRESHOLD,
    BASELINES,
    MERGED,
    REPLICATED,
    THRESHOLD,
    shortened,
)
from verdict.statistics.kinds import GENERATION, KINDS
from verdict.statistics.threshold import METRICS

Flat = Mapping[str, Any]

#: Parts of the records by one attribute that are shown, the largest; all are in comparison.json.
LISTED = 20

#: Metrics of the probabilities; those but them and ``GENERATION`` rate the likeliest label.
_PROBABILITIES = frozenset(
    {
        "auroc",
        "macro_auroc",
        "average_precision",
        "macro_average_precision",
        "brier",
        "expected_calibration_error",
    }
)


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
class Part:
    """The records with one value of an attribute: counts, and each model's decisive metric."""

    value: str
    counts: list[str]
    models: list[tuple[str, Cell]]


@dataclass(frozen=True)
class Thresholds:
    """The models at thresholds that reach a sensitivity on the validation split."""

    sensitivity: float
    #: Of the validation split.
    records: int
    positives: int
    #: Why there is none, or None.
    undefined: str | None
    #: By model, the probability and the sensitivity reached on validation.
    chosen: list[tuple[str, str]]
    #: For each metric a title and, by model, its cell at the threshold and of the likeliest label.
    rows: list[tuple[str, list[tuple[Cell, Cell]]]]


def metric_groups(
    flat: Flat, columns: Sequence[str], *, words: bool
) -> list[tuple[str, list[Row]]]:
    """Return the table of models by what the metrics rate; a group's rows are metrics.

    Args:
        flat: the comparison.
        columns: models and baselines, in the order of the columns.
        words: whether the models write; a classifier does not.
    """
    kind = KINDS[flat["kind"]]
    if kind.name == "text":
        groups = {"Texts against their references": kind.metrics}
    else:
        ranked = [m for m in kind.metrics if m in _PROBABILITIES]
        said = [m for m in kind.metrics if m in GENERATION]
        rest = [m for m in kind.metrics if m not in ranked and m not in said]
        rest.sort(key=lambda metric: metric != kind.decisive)
        groups = {"The likeliest label": tuple(rest), "The probabilities": tuple(ranked)}
        if words:
            groups["The words"] = tuple(said)
    rows = {title: list(_rows(flat, metrics, columns)) for title, metrics in groups.items()}
    return [(title, found) for title, found in rows.items() if found]


def _rows(flat: Flat, metrics: Sequence[str], columns: Sequence[str]) -> Iterator[Row]:
    decisive = KINDS[flat["kind"]].decisive
    units = units_title(flat["groups_are"], linked=flat["linked"])
    for metric in metrics:
        if any(f"{name}.{metric}" in flat for name in columns):
            lower = ", lower is better" if metric in LOWER_IS_BETTER else ""
            yield Row(
                title_of(metric, flat["groups_are"]) + lower,
                meaning_of(metric, units, flat.get("positive")),
                metric == decisive,
                [cell(flat, f"{name}.{metric}", metric) for name in columns],
            )


def main_figure(
    flat: Flat, models: Sequence[str]
) -> list[tuple[str, list[tuple[str, Cell]], Cell]]:
    """Return for each main metric its title, each model's cell, and that of always the same."""
    return [
        (
            title_of(metric, flat["groups_are"]),
            [(model, cell(flat, f"{model}.{metric}", metric)) for model in models],
            cell(flat, f"majority.{metric}", metric),
        )
        for metric in FIGURE_METRICS[flat["kind"]]
    ]


def cell(flat: Flat, key: str, metric: str) -> Cell:
    """Return a metric's cell; its plot goes from 0 to 1."""
    value, low, high = (flat.get(key + end) for end in ("", "_low", "_high"))
    at, left, right = (percent_of(x, 0, 1) for x in (value, low, high))
    return Cell(number(metric, value), interval(metric, low, high), at, left, right)


def percent_of(value: float | None, low: float, high: float) -> float | None:
    """Return where a value stands between two others, in percent, kept inside."""
    if value is None:
        return None
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)


def baselines_of(flat: Flat) -> list[str]:
    """Return the baselines that the comparison has."""
    return [name for name in BASELINES if any(key.startswith(f"{name}.") for key in flat)]


def merged_numbers(flat: Flat) -> dict[str, Any] | None:
    """Return the comparison on merged labels as a flat one of its own, where there is one."""
    start = f"{MERGED}."
    found = {key.removeprefix(start): v for key, v in flat.items() if key.startswith(start)}
    return found or None


def subgroup_parts(flat: Flat, models: Sequence[str]) -> dict[str, list[Part]]:
    """Return the parts of the records by attribute, each with the decisive metric of the models.

    Of more than ``LISTED`` values of an attribute the largest are in it.
    """
    metric = KINDS[flat["kind"]].decisive
    found: dict[str, list[Part]] = {}
    sizes: dict[str, list[int]] = {}
    for part in flat["subgroups"]:
        sizes.setdefault(part["attribute"], []).append(part["n"])
    least = {name: sorted(held)[-LISTED:][0] for name, held in sizes.items()}
    for part in flat["subgroups"]:
        full = len(found.get(part["attribute"], ())) == LISTED
        if full or part["n"] < least[part["attribute"]]:
            continue
        counts = [part["n"], part["groups"], *([part["positives"]] if "positives" in part else [])]
        cells = [(model, _part_cell(part, f"{model}.{metric}", metric)) for model in models]
        value = Part(shown(part["value"]), [f"{count:,}" for count in counts], cells)
        found.setdefault(part["attribute"], []).append(value)
    return found


def _part_cell(part: Flat, key: str, metric: str) -> Cell:
    return Cell("undefined") if part.get(key) is None else cell(part, key, metric)


def threshold_of(flat: Flat, models: Sequence[str]) -> Thresholds | None:
    """Return what the models do at their thresholds; None where none was asked for."""
    asked = flat.get(f"{THRESHOLD}.sensitivity")
    if asked is None:
        return None
    undefined = flat.get(f"{THRESHOLD}.undefined")
    known = [] if undefined else list(models)
    return Thresholds(
        sensitivity=asked,
        records=flat[f"{THRESHOLD}.validation_records"],
        positives=flat[f"{THRESHOLD}.validation_positives"],
        undefined=undefined,
        chosen=[
            (f"{flat[f'{m}.{THRESHOLD}']:.4f}", f"{flat[f'{m}.validation_sensitivity']:.3f}")
            for m in known
        ],
        rows=[
            (
                title_of(metric, flat["groups_are"]),
                [
                    (
                        cell(flat, f"{model}.{AT_THRESHOLD}.{metric}", metric),
                        cell(flat, f"{model}.{metric}", metric),
                    )
                    for model in known
                ],
            )
            for metric in METRICS
        ],
    )


def heading_of(flat: Flat, name: str) -> str:
    """Return what a model, or the mean over trainings, is called in a table."""
    return f"mean of {len(flat['replicates']) + 1} trainings" if name == REPLICATED else name


def column_notes(flat: Flat, names: Sequence[str], majority: str) -> dict[str, str]:
    """Return a line under the name of each column."""
    notes = dict.fromkeys(names, "")
    notes |= dict.fromkeys(flat["replicates"], "another seed")
    notes[flat["baseline"]] = "the baseline"
    notes[flat["candidate"]] = "the candidate"
    if "majority" in notes:
        notes["majority"] = f"always “{shortened(shown(majority))}”"
    if "prior" in notes:
        notes["prior"] = "guesses by shares"
    return notes
