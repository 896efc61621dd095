"""The table that every benchmark ends with."""

import operator
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_COMPARE = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Figure:
    """A measured value and, where one is set, the target: ``<=``, ``>=`` or ``=`` a number."""

    name: str
    value: float
    unit: str = ""
    compare: str | None = None
    target: float | None = None

    @property
    def reached(self) -> bool:
        return (
            self.compare is None
            or self.target is None
            or bool(_COMPARE[self.compare](self.value, self.target))
        )


def conclude(title: str, figures: list[Figure]) -> None:
    """Print the figures beside their targets; exit with 1 when any is missed."""
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for figure in figures:
        target = f"{figure.compare} {figure.target:g} {figure.unit}" if figure.compare else ""
        verdict = ("reached" if figure.reached else "MISSED") if figure.compare else ""
        table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", target, verdict)
    Console(width=100).print(table)
    sys.exit(not all(figure.reached for figure in figures))
