"""Write the report of a comparison: Markdown and its figures, in one folder."""

from pathlib import Path

from verdict.core.files import replacing, write_json
from verdict.report.figures import write_comparison_figure, write_confusion_figure
from verdict.report.names import COMPARISON, CONFUSION, NUMBERS, REPORT
from verdict.report.tables import comparison_markdown
from verdict.statistics.comparison import Comparison


def write_report(folder: Path | str, comparison: Comparison) -> None:
    """Write ``comparison.md`` with its two figures, and its numbers as ``comparison.json``.

    The numbers are those of ``Comparison.flat``, and a list of subgroups.

    Args:
        folder: made if it is missing; other files in it stay.
        comparison: what to report.
    """
    folder = Path(folder)
    subgroups = [subgroup.flat() for subgroup in comparison.subgroups]
    write_json(folder / NUMBERS, {**comparison.flat(), "subgroups": subgroups})
    write_comparison_figure(folder / COMPARISON, comparison)
    write_confusion_figure(folder / CONFUSION, comparison)
    figures = [(comparison.verdict.headline, COMPARISON)]
    if comparison.labels:
        figures.append(("Confusion matrices", CONFUSION))
    elif any(table.counts.any() for table in comparison.confusion.values()):
        figures.append(("Answers to yes-or-no questions", CONFUSION))
    with replacing(folder / REPORT) as partial:
        text = comparison_markdown(comparison, figures=figures)
        partial.write_text(text, encoding="utf-8", newline="\n")
