"""The findings in the terminal, for 80 columns."""

from itertools import groupby
from operator import attrgetter

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.verify.results import Finding, Output, Status, Verification

STYLES = {
    Status.IDENTICAL: "green",
    Status.EQUIVALENT: "cyan",
    Status.UNCHECKED: "dim",
    Status.DIFFERENT: "bold red",
}


def show(result: Verification, console: Console) -> None:
    """Print the claims, the outputs by stage, what needs more words, and the sentence."""
    console.print(_claims(result))
    console.print()
    console.print(_outputs(result.outputs))
    for status in (Status.EQUIVALENT, Status.UNCHECKED, Status.DIFFERENT):
        _explain(result, status, console)
    console.print()
    style = STYLES[Status.IDENTICAL if result.holds else Status.DIFFERENT]
    console.print(Text(result.sentence, style=style))


def _claims(result: Verification) -> Table:
    table = _table("what the commit says", "")
    for name, finding in result.claims.items():
        table.add_row(name, _word(finding))
    return table


def _outputs(outputs: list[Output]) -> Table:
    table = _table("output", "as recorded", "made again")
    for stage, members in groupby(outputs, attrgetter("stage")):
        table.add_row(Text(stage, style="bold"))
        for output in members:
            table.add_row(f" {output.path}", _word(output.recorded), _word(output.remade))
    return table


def _explain(result: Verification, status: Status, console: Console) -> None:
    """Print the details of this status, each with the names that it is about."""
    names: dict[str, list[str]] = {}
    found = [(name, finding) for name, finding in result.claims.items()]
    for output in result.outputs:
        found += [(output.path, output.recorded), (output.path, output.remade)]
    for name, finding in found:
        if finding.status == status:
            names.setdefault(finding.detail, []).append(name)
    if names:
        console.print()
        console.print(Text(status, style=STYLES[status]))
    for detail, about in names.items():
        # What could not be looked at is mostly a whole stage; what is wrong is named in full.
        shown = (
            about
            if status == Status.DIFFERENT or len(about) < 3
            else [about[0], f"{len(about) - 1} more"]
        )
        console.print(Text(f" {', '.join(shown)}: {detail}"))


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _word(finding: Finding) -> Text:
    return Text(finding.status.value, style=STYLES[finding.status])
