"""Show the verdict in the terminal: ``python -m verdict.report metrics/report``."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.comparison.results import REPLICATED, Estimate, Estimates, Thresholds
from verdict.core.paths import PAGE
from verdict.pipeline.command import command, parser_of
from verdict.statistics.formats import format_number, format_percent, format_probability
from verdict.statistics.kinds import BINARY
from verdict.statistics.metrics import METRICS
from verdict.summary.wording import (
    DISCLAIMER,
    NUMBERS,
    SYNTHETIC,
    UNDEFINED,
    metric_title,
    number,
    p_text,
    said_of_sets,
    shown,
    signed,
    signed_interval,
    trained_note,
)

#: Metrics at a threshold that 80 characters hold.
AT_THRESHOLD = 5


def main() -> None:
    """Print the verdict and the numbers behind it."""
    parser = parser_of("verdict.report", main.__doc__)
    parser.add_argument("folder", type=Path, help="the report's folder: metrics/report")
    folder = parser.parse_args().folder
    with command("report"):
        show(read_comparison(folder / NUMBERS), folder / PAGE.name, Console())


def show(comparison: Comparison, report: Path, console: Console) -> None:
    """Print a comparison; ``report`` is where more stands."""
    console.print()
    for warning in comparison.warnings:
        console.print(f"WARNING: {warning}.", style="bold red", highlight=False)
    console.print(comparison.verdict.sentence, style="bold", highlight=False)
    for remark in comparison.verdict.remarks:
        console.print(remark, highlight=False)
    if comparison.synthetic:
        console.print(SYNTHETIC, highlight=False)
    _show_tables(comparison, console)
    if merged := comparison.merged:
        console.print()
        said = f"On merged labels: {merged.verdict.sentence}"
        console.print(said, style="bold", highlight=False)
        for remark in merged.verdict.remarks:
            console.print(remark, highlight=False)
        _show_tables(merged, console)
    for (name, said), key in zip(said_of_sets(comparison), comparison.outside, strict=True):
        console.print()
        console.print(f"On {name}: {said}", style="bold", highlight=False)
        console.print()
        console.print(_outside_table(comparison, key))
    console.print()
    if comparison.trained:
        console.print(trained_note(comparison), highlight=False)
    console.print(
        f"Below a number its {format_percent(comparison.confidence)} interval; "
        f"{comparison.records:,} records. {DISCLAIMER}",
        style="dim",
        highlight=False,
    )
    console.print(f"Report: {report.as_posix()}", highlight=False, soft_wrap=True)


def _show_tables(comparison: Comparison, console: Console) -> None:
    tables = [_models_table(comparison), _differences_table(comparison)]
    if comparison.thresholds and comparison.thresholds.models:
        tables.insert(1, _threshold_table(comparison.thresholds, comparison.noun))
    for table in tables:
        console.print()
        console.print(table)


def _models_table(comparison: Comparison) -> Table:
    metrics = comparison.kind.shown("terminal")
    table = _table("model", *_titles(metrics, comparison.noun))
    for name, estimates in comparison.columns.items():
        table.add_row(_heading(name, comparison), *_cells(metrics, estimates))
    return table


def _threshold_table(thresholds: Thresholds, noun: str) -> Table:
    """Return the models at the threshold that reaches a sensitivity on the validation split."""
    metrics = BINARY.shown("threshold")[:AT_THRESHOLD]
    first = f"at {thresholds.sensitivity:g} on\nvalidation"
    table = _table(first, "from", *_titles(metrics, noun))
    for name, chosen in thresholds.models.items():
        cells = _cells(metrics, chosen.metrics)
        table.add_row(name, format_probability(chosen.probability), *cells)
    return table


def _differences_table(comparison: Comparison) -> Table:
    decisive = comparison.kind.decisive
    title = metric_title(decisive, comparison.noun)
    table = _table(f"difference in {title}", "", "", "p", "p (Holm)")
    for difference in comparison.differences:
        estimate = difference.metrics[decisive]
        table.add_row(
            f"{_heading(difference.first, comparison)} - {difference.second}",
            signed(estimate.value),
            signed_interval(estimate.low, estimate.high) or UNDEFINED,
            p_text(difference.p),
            p_text(difference.p_holm),
        )
    return table


def _outside_table(comparison: Comparison, name: str) -> Table:
    """Return the models on the test split against a test set from elsewhere."""
    decisive = comparison.kind.decisive
    title = metric_title(decisive, comparison.noun)
    table = _table(title, "test\nsplit", shown(name).replace(" ", "\n"), "difference")
    for model, *estimates, change in comparison.against(name):
        ends = signed_interval(change.low, change.high)
        difference = f"{signed(change.value)}\n[dim]{ends}[/dim]" if ends else signed(change.value)
        cells = [_cell(decisive, estimate) for estimate in estimates]
        table.add_row(_heading(model, comparison), *cells, difference)
    return table


def _heading(name: str, comparison: Comparison) -> str:
    """Return a model's name, or what the mean over training seeds is called; it has to be short."""
    return f"mean of {comparison.trainings}" if name == REPLICATED else name


def _titles(metrics: tuple[str, ...], noun: str) -> list[str]:
    return [metric_title(metric, noun).replace(" ", "\n") for metric in metrics]


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column(first, vertical="top")
    for title in others:
        table.add_column(title, justify="right")
    return table


def _cells(metrics: tuple[str, ...], estimates: Estimates) -> list[str]:
    return [_cell(metric, estimates.get(metric, Estimate(None))) for metric in metrics]


def _cell(metric: str, estimate: Estimate) -> str:
    """Return a number over its interval."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if METRICS[metric].percent:
        return "" if value is None else number(metric, value)
    shown = number(metric, value)
    return shown if low is None or high is None else f"{shown}\n[dim]{_range(low, high)}[/dim]"


def _range(low: float, high: float) -> str:
    between = "-" if low >= 0 else " to "
    return f"{format_number(low, 2)}{between}{format_number(high, 2)}"


if __name__ == "__main__":
    main()
