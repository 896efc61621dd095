"""The processes that prepare batches: kept from signals, and heard and ended when one fails."""

import copy
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any
from weakref import WeakSet

import torch
from torch.utils.data import get_worker_info

from verdict.core.errors import VerdictError

#: Sent to all processes of a terminal or, by torchrun, of a training.
_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_DEFAULT: Any = multiprocessing.get_context()
#: Seconds in which an error that comes of the end of such a process is followed by that end.
_SHORTLY = 1.0


class ProcessEnded(Exception):
    """A process that prepares batches has ended in the middle of its work; the text says how."""


class _Shielded(_DEFAULT.Process):
    def start(self) -> None:
        # A process inherits which signals are blocked, so there is no moment at which one could
        # reach it; torch sets handlers of its own in these processes, which end them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # What torch and multiprocessing do to a process that does not end by itself, and then wait
        # for it without a limit: SIGTERM would do nothing.
        self._popen.terminate = self._popen.kill
        _started.add(self)


_started: WeakSet[_Shielded] = WeakSet()


class _Sharing:
    """Collates rows and, in a process of its own, moves the batch into shared memory at once.

    torch would do that in a thread, whose errors reach nobody: the training would wait for ever.
    """

    def __init__(self, collate: Callable[[Any], Any]):
        self._collate = collate

    def __call__(self, rows: Any) -> Any:
        batch = self._collate(rows)
        if get_worker_info() is not None:
            for value in batch.values() if isinstance(batch, dict) else [batch]:
                if isinstance(value, torch.Tensor):
                    value.share_memory_()
        return batch


def shield(loader: Any) -> Any:
    """Return the data loader, whose processes SIGTERM and Ctrl-C do not reach from now on.

    They would end at once, and the training with them, unsaved. They end with their loader, or with
    ``ending``. What goes wrong in them is raised where a batch is asked for.

    Args:
        loader: torch's, or accelerate's around it; a batch is a tensor or a dictionary of them.
    """
    # Attributes of accelerate's loader do not reach the one in it, which starts the processes.
    inner = getattr(loader, "base_dataloader", loader)
    if inner.num_workers:
        inner.multiprocessing_context = context()
        inner.collate_fn = _Sharing(inner.collate_fn)
    return loader


def context() -> BaseContext:
    """Return this system's way to start a process, but shielded."""
    shielded = copy.copy(_DEFAULT)
    shielded.Process = _Shielded
    return shielded


@contextmanager
def ending() -> Iterator[None]:
    """End all shielded processes when the block is left by an error.

    An error holds its loader, and thereby the processes, until this one ends; torch then gives each
    of them some seconds.

    Raises:
        ProcessEnded: instead of what came of it: torch's own error, or a broken connection.
    """
    try:
        yield
    except BaseException as error:
        unexplained = isinstance(error, Exception) and not isinstance(error, VerdictError)
        how = _unexpected_end() if unexplained else None
        _end()
        if how:
            raise ProcessEnded(how) from error
        raise


def _unexpected_end() -> str | None:
    running = {process.sentinel: process for process in _started if process.exitcode != 0}
    for sentinel in wait(list(running), timeout=_SHORTLY):
        process = running[sentinel]
        # Its pipes are closed a moment before it is over.
        process.join(_SHORTLY)
        if process.exitcode is not None and process.exitcode < 0:
            return f"was ended by {signal.Signals(-process.exitcode).name}"
        if process.exitcode:
            return f"ended with exit code {process.exitcode}"
    return None


def _end() -> None:
    # torch would raise another error at the death of each.
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        for process in list(_started):
            process.kill()
            process.join()
    finally:
        signal.signal(signal.SIGCHLD, before)
