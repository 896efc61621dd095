"""The table that every benchmark ends with."""

import operator
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.parts.claims import record

_COMPARE = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Figure:
    """A measured value and, where one is set, the target: ``<=``, ``>=`` or ``=`` a number.

    Attributes:
        beside: whether the page of claims shows it though it has no target.
    """

    name: str
    value: float
    unit: str = ""
    compare: str | None = None
    target: float | None = None
    beside: bool = False

    @property
    def reached(self) -> bool:
        return (
            self.compare is None
            or self.target is None
            or bool(_COMPARE[self.compare](self.value, self.target))
        )

    @property
    def printed(self) -> dict[str, Any]:
        """Return what is printed of it and written for the page of claims."""
        form = "," if isinstance(self.value, int) else ".4g"
        return {
            "what": self.name,
            "measured": f"{self.value:{form}} {self.unit}".strip(),
            "target": f"{self.compare} {self.target:g} {self.unit}".strip() if self.compare else "",
            "reached": self.reached if self.compare else None,
            "beside": self.beside,
        }


def conclude(title: str, figures: list[Figure], claimed: bool = True) -> None:
    """Print the figures beside their targets, and record them; exit with 1 when any is missed.

    Args:
        claimed: whether this is the run that the page of claims is about; a run with arguments,
            which measures less or something else, never is, nor one by other code than
            ``python -m benchmarks.NAME``.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    printed = [figure.printed for figure in figures]
    for row in printed:
        verdict = {True: "reached", False: "MISSED", None: ""}[row["reached"]]
        table.add_row(row["what"], row["measured"], row["target"], verdict)
    Console(width=100).print(table)
    started = sys.modules["__main__"].__spec__
    package, _, name = started.name.rpartition(".") if started else ("", "", "")
    if claimed and package == "benchmarks" and len(sys.argv) == 1:
        record(name, title, printed)
    sys.exit(not all(figure.reached for figure in figures))
