"""A page as its reader has it: its text, its tables' cells, and the numbers behind them."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


def page(project: Path) -> str:
    return (project / "metrics/report/index.html").read_text("utf-8")


def numbers(project: Path) -> dict[str, Any]:
    return json.loads((project / "metrics/report/comparison.json").read_text("utf-8"))


class Cells(HTMLParser):
    """The texts of the cells of every table row, and of each section's heading."""

    def __init__(self, html: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.sections: list[str] = []
        self._open = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self.sections.append(dict(attributes)["id"] or "")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._open = True
        if tag == "small" and self._open:
            self.rows[-1][-1] += " | "

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data.strip()

    def row(self, start: str) -> list[str]:
        """Return the cells behind the first row heading that begins so."""
        return next(row[1:] for row in self.rows if row and row[0].startswith(start))
