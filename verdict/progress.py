"""Progress for long work: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

#: Seconds between two plain lines where there is no terminal.
PLAIN_INTERVAL = 10.0


class Bar:
    """What ``progress()`` yields: call ``advance`` as work gets done."""

    def __init__(self, description: str, total: float | None, unit: str, live: Progress | None):
        self._description, self._total, self._unit = description, total, unit
        self._live = live
        self._task: TaskID | None = (
            live.add_task(description, total=total, note="") if live else None
        )
        self._done = 0.0
        self._started = self._printed = time.monotonic()

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count ``amount`` more units as done; ``note`` (a loss, a file name) is shown beside."""
        self._done += amount
        if self._live is not None and self._task is not None:
            self._live.update(self._task, advance=amount, note=note)
        elif time.monotonic() - self._printed >= PLAIN_INTERVAL:
            self._printed = time.monotonic()
            self._print(note)

    def set_total(self, total: float) -> None:
        """Say how much there is to do, where that is known only later."""
        self._total = total
        if self._live is not None and self._task is not None:
            self._live.update(self._task, total=total)

    def close(self) -> None:
        if self._live is None:
            self._print("done")

    def _print(self, note: str) -> None:
        elapsed = time.monotonic() - self._started
        rate = self._done / elapsed if elapsed else 0.0
        of = f"/{self._total:,.0f}" if self._total else ""
        left = (
            f", {(self._total - self._done) / rate:,.0f} s left"
            if self._total and rate and self._done < self._total
            else ""
        )
        print(
            f"{self._description}: {self._done:,.0f}{of} {self._unit}, "
            f"{rate:,.1f}/s{left}{', ' + note if note else ''}",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "records") -> Iterator[Bar]:
    """Show progress of one long task on standard error.

    ``total`` is in ``unit``; without it only the count and the rate are shown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        bar = Bar(description, total, unit, None)
        yield bar
        bar.close()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as live:
        yield Bar(description, total, unit, live)
