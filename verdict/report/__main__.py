"""Show the verdict in the terminal: ``python -m verdict.report metrics/report``."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from verdict.core.errors import VerdictError
from verdict.report.comparison_file import read_comparison
from verdict.report.names import (
    DISCLAIMER,
    NUMBERS,
    PAGE,
    SYNTHETIC,
    UNDEFINED,
    metric_title,
    p_cell,
)
from verdict.statistics.formats import (
    AT_THRESHOLD,
    BASELINES,
    MERGED,
    MINUS,
    REPLICATED,
    THRESHOLD,
    format_difference,
    format_number,
    format_percent,
    format_probability,
)
from verdict.statistics.kinds import KINDS, METRIC_TITLES, TEXT

#: The columns of the table of models, by kind of task: six, so that 80 characters hold them.
COLUMNS = {
    "binary": (
        "balanced_accuracy",
        "accuracy",
        "recall",
        "specificity",
        "auroc",
        "invalid_rate",
    ),
    "multiclass": (
        "balanced_accuracy",
        "accuracy",
        "group_accuracy",
        "macro_f1",
        "macro_auroc",
        "invalid_rate",
    ),
    "text": TEXT.metrics,
}

#: The columns of the table of models at their thresholds.
AT_METRICS = ("recall", "specificity", "precision", "f1", "balanced_accuracy")


def main() -> None:
    """Print the verdict and the numbers behind it."""
    parser = argparse.ArgumentParser(prog="python -m verdict.report", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the report's folder: metrics/report")
    folder = parser.parse_args().folder
    try:
        show(read_comparison(folder / NUMBERS), folder / PAGE, Console())
    except VerdictError as error:
        sys.exit(str(error))


def show(values: Mapping[str, Any], report: Path, console: Console) -> None:
    """Print a comparison as ``Comparison.flat`` gives it; ``report`` is where more stands."""
    console.print()
    for warning in values["warnings"]:
        console.print(f"WARNING: {warning}.", style="bold red", highlight=False)
    console.print(values["verdict"], style="bold", highlight=False)
    if values["synthetic"]:
        console.print(SYNTHETIC, highlight=False)
    _show_tables(values, console)
    merged = {
        key.removeprefix(f"{MERGED}."): value
        for key, value in values.items()
        if key.startswith(f"{MERGED}.")
    }
    if merged:
        console.print()
        console.print(f"On merged labels: {merged['verdict']}", style="bold", highlight=False)
        _show_tables(merged, console)
    console.print()
    console.print(
        f"Below a number its {format_percent(values['confidence'])} interval; "
        f"{values['records']:,} records. {DISCLAIMER}",
        style="dim",
        highlight=False,
    )
    console.print(f"Report: {report.as_posix()}", highlight=False, soft_wrap=True)


def _show_tables(values: Mapping[str, Any], console: Console) -> None:
    tables = [_models_table(values), _differences_table(values)]
    if f"{values['candidate']}.{THRESHOLD}" in values:
        tables.insert(1, _threshold_table(values))
    for table in tables:
        console.print()
        console.print(table)


def _models_table(values: Mapping[str, Any]) -> Table:
    models = [*values["models"], REPLICATED, *BASELINES]
    measured = {key.split(".")[0] for key in values}
    metrics = COLUMNS[values["kind"]]
    titles = (metric_title(metric, values["groups_are"]) for metric in metrics)
    table = _table("model", *(title.replace(" ", "\n") for title in titles))
    for name in models:
        if name in measured:
            cells = (_cell(values, f"{name}.{key}", key == "invalid_rate") for key in metrics)
            table.add_row(name.replace(REPLICATED, _mean(values)), *cells)
    return table


def _threshold_table(values: Mapping[str, Any]) -> Table:
    """Return the models at the threshold that reaches a sensitivity on the validation split."""
    sensitivity = values[f"{THRESHOLD}.sensitivity"]
    titles = (metric_title(name, values["groups_are"]).replace(" ", "\n") for name in AT_METRICS)
    table = _table(f"at {sensitivity:g} on\nvalidation", "from", *titles)
    for name in values["models"]:
        cells = (_cell(values, f"{name}.{AT_THRESHOLD}.{key}", False) for key in AT_METRICS)
        table.add_row(name, format_probability(values[f"{name}.{THRESHOLD}"]), *cells)
    return table


def _differences_table(values: Mapping[str, Any]) -> Table:
    decisive = KINDS[values["kind"]].decisive
    suffix = f".{decisive}_p"
    table = _table(f"difference in {METRIC_TITLES[decisive]}", "", "", "p", "p (Holm)")
    for key in values:
        if not key.endswith(suffix) or key.startswith(f"{MERGED}."):
            continue
        pair = key.removesuffix(suffix)
        name = f"{pair}.{decisive}"
        low, high = values[f"{name}_low"], values[f"{name}_high"]
        table.add_row(
            pair.replace(REPLICATED, _mean(values)).replace(MINUS, " - "),
            _signed(values[name]),
            UNDEFINED if low is None else f"{_signed(low)} to {_signed(high)}",
            p_cell(values[key]),
            p_cell(values[f"{key}_holm"]),
        )
    return table


def _mean(values: Mapping[str, Any]) -> str:
    """Return what the mean over the candidate's training seeds is called; it has to be short."""
    return f"mean of {1 + len(values['replicates'])}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column(first, vertical="top")
    for title in others:
        table.add_column(title, justify="right")
    return table


def _cell(values: Mapping[str, Any], key: str, percent: bool) -> str:
    """Return a number over its interval."""
    value, low, high = (values.get(key + end) for end in ("", "_low", "_high"))
    if percent:
        return "" if value is None else f"{100 * value:.1f} %"
    number = UNDEFINED if value is None else format_number(value, 3)
    return number if low is None or high is None else f"{number}\n[dim]{_range(low, high)}[/dim]"


def _range(low: float, high: float) -> str:
    between = "-" if low >= 0 else " to "
    return f"{format_number(low, 2)}{between}{format_number(high, 2)}"


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else format_difference(value, 3)


if __name__ == "__main__":
    main()
