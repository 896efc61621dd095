"""What was found: for each output whether it is as recorded and whether it can be made again.

And how it is told: in the terminal, as a page for people, and as JSON.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from verdict.core.files import replacing, write_json
from verdict.pipeline.command import unwritable


class Status(StrEnum):
    """How well something holds, the best first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    UNCHECKED = "not checked"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True)
class Finding:
    """A status and, unless it speaks for itself, what was seen: difference, tolerance, reason."""

    status: Status
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.status} ({self.detail})" if self.detail else str(self.status)


IDENTICAL = Finding(Status.IDENTICAL)


def equivalent(detail: str) -> Finding:
    return Finding(Status.EQUIVALENT, detail)


def unchecked(reason: str) -> Finding:
    return Finding(Status.UNCHECKED, reason)


def different(detail: str) -> Finding:
    return Finding(Status.DIFFERENT, detail)


def worst(findings: Iterable[Finding]) -> Finding:
    """Return the worst finding, with the details of all that are as bad; identical for none."""
    order = list(Status)
    found = list(findings)
    status = max((finding.status for finding in found), key=order.index, default=Status.IDENTICAL)
    details = [one.detail for one in found if one.status == status and one.detail]
    return Finding(status, "; ".join(dict.fromkeys(details)))


def some(names: Sequence[str], between: str = ", ", most: int = 4) -> str:
    """Return the first of several names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


@dataclass
class Output:
    """An output of a stage.

    Attributes:
        recorded: whether what is here has the hash that dvc.lock has written down.
        remade: whether making it again from its inputs gives the same.
        numbers: it holds what the verdict rests on: computed from predictions.
    """

    path: str
    stage: str
    recorded: Finding
    remade: Finding
    numbers: bool = False


@dataclass
class Verification:
    """All findings about one commit.

    Attributes:
        claims: what is not about one output: parameters, code, leakage …; by name.
        seconds: how long each stage took that was run again.
    """

    commit: str
    outputs: list[Output] = field(default_factory=list)
    claims: dict[str, Finding] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        of_outputs = [one for out in self.outputs for one in (out.recorded, out.remade)]
        return [*self.claims.values(), *of_outputs]

    @property
    def differs(self) -> bool:
        """Whether anything is different."""
        return any(finding.status == Status.DIFFERENT for finding in self.findings)

    @property
    def uncomputed(self) -> list[str]:
        """The numbers that were not computed again, without which nothing is proved."""
        unsaid = Status.UNCHECKED
        return [out.path for out in self.outputs if out.numbers and out.remade.status == unsaid]

    @property
    def holds(self) -> bool:
        """Whether nothing is different, and all numbers were computed again."""
        return not (self.differs or self.uncomputed)

    @property
    def sentence(self) -> str:
        """The result in one sentence; what was not checked is in it."""
        if self.differs:
            wrong = [name for name, one in self.claims.items() if one.status == Status.DIFFERENT]
            wrong += [
                out.path
                for out in self.outputs
                if Status.DIFFERENT in (out.recorded.status, out.remade.status)
            ]
            return f"Does not hold: {', '.join(wrong)}."
        if self.uncomputed:
            what = some(self.uncomputed, most=1)
            return f"Not verified: {what} could not be computed again from the predictions."
        unseen = [name for name, one in self.claims.items() if one.status == Status.UNCHECKED]
        made = [out.remade.status for out in self.outputs]
        equivalent_ones = made.count(Status.EQUIVALENT)
        left = made.count(Status.UNCHECKED)
        return (
            f"Holds: of {len(made)} outputs {made.count(Status.IDENTICAL)} were made again "
            "identically"
            + (f", {equivalent_ones} equivalently" if equivalent_ones else "")
            + (f"; {left} were not made again" if left else "")
            + (f"; not checked: {', '.join(unseen)}" if unseen else "")
            + "."
        )

    def as_json(self) -> dict[str, Any]:
        def said(finding: Finding) -> dict[str, str]:
            return {"status": finding.status.value, "detail": finding.detail}

        return {
            "commit": self.commit,
            "holds": self.holds,
            "sentence": self.sentence,
            "claims": {name: said(finding) for name, finding in self.claims.items()},
            "outputs": [
                {
                    "path": out.path,
                    "stage": out.stage,
                    "as_recorded": said(out.recorded),
                    "made_again": said(out.remade),
                }
                for out in self.outputs
            ],
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }


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


def page_of(out: Path) -> Path:
    """Return where the page for people goes, beside the findings."""
    return out.with_suffix(".html")


def write_findings(result: Verification, out: Path) -> None:
    """Write the findings for programs, and the page.

    Raises:
        VerdictError: one cannot be written.
    """
    try:
        write_json(out, result.as_json())
        write_page(page_of(out), result)
    except OSError as error:
        raise unwritable(out, error) from None


def write_page(path: Path, result: Verification) -> None:
    """Write the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("page.html").render(
        result=result,
        stages=[
            (name, list(outputs)) for name, outputs in groupby(result.outputs, attrgetter("stage"))
        ],
    )
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
