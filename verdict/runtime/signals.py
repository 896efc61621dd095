"""SIGTERM and Ctrl-C in a training run: a wish to stop, and an end in time."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from verdict.core.errors import VerdictError
from verdict.runtime.processes import is_main

#: Seconds from SIGTERM to the end; a preempted pod gets about 15 in all.
GRACE = 10.0


class Stopped(VerdictError):
    """The run was asked to stop; what it had learned is in a checkpoint."""


@dataclass
class StopWish:
    """Which signal asked the run to stop, if any, and whether there are steps to wait for."""

    signal: str | None = None
    training: bool = False


@contextmanager
def heed_signals() -> Iterator[StopWish]:
    """Turn SIGTERM and Ctrl-C into a wish, granted after the step in progress.

    Before the first step, and at a second Ctrl-C, the run ends at once. When a step takes longer
    than ``GRACE`` seconds after SIGTERM the process ends without waiting for it; the checkpoints
    before stay.
    """
    wish = StopWish()

    def note(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if not wish.training:
            raise Stopped(f"stopped by {name} before the first step; nothing was lost")
        if wish.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        wish.signal = name
        if is_main():
            again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
            print(f"\ntrain: {name}: saving a checkpoint after this step{again}", file=sys.stderr)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with _deadline():
            yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _deadline() -> Iterator[None]:
    """End the process ``GRACE`` seconds after SIGTERM, if the block has not ended by then.

    A thread waits for it, told by the system: Python's own handlers wait until a long operation of
    torch is over.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    over = threading.Event()

    def wait() -> None:
        while True:
            numbers = reader.recv(64)
            if over.is_set():
                return
            if signal.SIGTERM in numbers:
                if not over.wait(GRACE):
                    _give_up()
                return

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        # Closing would not wake the thread while a process that prepares batches has a copy.
        writer.send(b"\0")
        waiting.join()
        writer.close()
        reader.close()


def _give_up() -> None:
    print(
        f"\ntrain: the step in progress took longer than {GRACE:g} s after SIGTERM; `dvc repro` "
        "resumes from the last complete checkpoint",
        file=sys.stderr,
        flush=True,
    )
    os._exit(128 + signal.SIGTERM)
