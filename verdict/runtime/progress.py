"""Progress for long work: a live bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from verdict.runtime.processes import is_main

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
        self._done = self._done_before = 0.0
        self._started = self._printed = time.monotonic()

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count ``amount`` more units as done; ``note`` (a loss, a file name) is shown beside."""
        self._done += amount
        if self._live is not None and self._task is not None:
            self._live.update(self._task, advance=amount, note=note)
        elif time.monotonic() - self._printed >= PLAIN_INTERVAL:
            self._printed = time.monotonic()
            self._print(note)

    def begin(self, total: float, done: float = 0.0) -> None:
        """Say how much there is to do, where that is known only later; the clock starts now.

        ``done`` units were done before, in an earlier run; they do not count for the rate.
        """
        self._total, self._done, self._done_before = total, done, done
        self._started = time.monotonic()
        if self._live is not None and self._task is not None:
            self._live.reset(self._task, total=total)
            self._live.update(self._task, completed=done)

    @property
    def rate(self) -> float:
        """Units a second since the beginning, 0 before the first."""
        elapsed = time.monotonic() - self._started
        return (self._done - self._done_before) / elapsed if elapsed else 0.0

    def close(self) -> None:
        if self._live is None:
            self._print("done")

    def _print(self, note: str) -> None:
        if not is_main():
            return
        rate = self.rate
        of = f"/{_amount(self._total)}" if self._total else ""
        left = (
            f", {(self._total - self._done) / rate:,.0f} s left"
            if self._total and rate and self._done < self._total
            else ""
        )
        print(
            f"{self._description}: {_amount(self._done)}{of} {self._unit}, "
            f"{rate:,.1f}/s{left}{', ' + note if note else ''}",
            file=sys.stderr,
            flush=True,
        )


class _Count(ProgressColumn):
    """How much is done, of how much."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else _amount(task.total)
        return Text(f"{_amount(task.completed)}/{total}", style="progress.download")


def _amount(value: float) -> str:
    """Return an amount as a whole number, or with the two digits that a small one needs."""
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.2g}"


@contextmanager
def progress(description: str, total: float | None = None, unit: str = "records") -> Iterator[Bar]:
    """Show progress of one long task on standard error.

    ``total`` is in ``unit``; without it only the count and the rate are shown. Of several processes
    that work together only the first shows anything.
    """
    console = Console(stderr=True, quiet=not is_main())
    if not console.is_terminal:
        bar = Bar(description, total, unit, None)
        yield bar
        bar.close()
        return
    # Narrow enough that the note still fits into 80 columns.
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=14),
        _Count(),
        TextColumn(unit),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as live:
        yield Bar(description, total, unit, live)
