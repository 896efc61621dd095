"""End as Ctrl-C does when the machine, or the terminal, wants the process to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_as_interrupted() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt in the block, so that nothing is left behind.

    By default they end a process where it stands: temporary folders stay, and so do workers.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def end(*_: object) -> NoReturn:
        # A terminal that closes may send both: the second must not end what the first began.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, end)
    try:
        yield
    except SystemExit as ended:
        # Ray puts a handler of its own for SIGTERM in this one's place, which exits with 15.
        # SIGHUP's number is 1, with which a tool says that it failed.
        if ended.code == signal.SIGTERM:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
