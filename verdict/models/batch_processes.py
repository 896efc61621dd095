"""The processes that prepare batches, kept from the signals that are the training's to answer."""

import copy
import multiprocessing
import signal
from multiprocessing.context import BaseContext
from typing import Any

#: Sent to all processes of a terminal or, by torchrun, of a training.
_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_DEFAULT: Any = multiprocessing.get_context()


class _Shielded(_DEFAULT.Process):
    def start(self) -> None:
        # A process inherits which signals are blocked, so there is no moment at which one could
        # reach it; torch sets handlers of its own in these processes, which end them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def shield(loader: Any) -> Any:
    """Return the data loader, whose processes SIGTERM and Ctrl-C do not reach from now on.

    They would end at once, and the training with them, unsaved. They end with their loader.

    Args:
        loader: torch's, or accelerate's around it.
    """
    # Attributes of accelerate's loader do not reach the one in it, which starts the processes.
    inner = getattr(loader, "base_dataloader", loader)
    if inner.num_workers:
        inner.multiprocessing_context = context()
    return loader


def context() -> BaseContext:
    """Return this system's way to start a process, but shielded."""
    shielded = copy.copy(_DEFAULT)
    shielded.Process = _Shielded
    return shielded
