"""How a command of this project starts, and how it ends: one message, and nothing left behind."""

import os
import select
import signal
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.params import Params
from verdict.params.file import read_params
from verdict.pipeline.stage import quieten_libraries
from verdict.reproducibility import go_offline, pin_cpu

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def parser_of(module: str, description: str | None, epilog: str | None = None) -> ArgumentParser:
    """Return a parser for ``python -m MODULE`` whose help shows texts as they are written."""
    return ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
    )


@contextmanager
def command(name: str, interrupted: str = "interrupted; nothing was written") -> Iterator[None]:
    """End with one message, and code 1, where a user's problem or an end from outside stops it.

    Without a message where whoever reads the output has read enough, as ``head`` has.
    """
    try:
        with ending_as_interrupted():
            yield
            sys.stdout.flush()
    except VerdictError as error:
        said = str(error).rstrip(".")
        sys.exit(f"{name}: {said}{'' if said.endswith('?') else '.'}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: {interrupted}")
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        # What is still to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _nobody_reads() -> bool:
    """Say whether it is the output that is a broken pipe, and no other."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # An error is told unasked.
    return bool(output.poll(0))


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


def pinned_params() -> Params:
    """Return the parameters, with what they pin in the environment, where libraries look for it.

    Import torch, numpy and the hub's library only afterwards.

    Raises:
        VerdictError: params.yaml is missing or wrong.
    """
    params = read_params()
    quieten_libraries()
    pin_cpu(params.reproducibility)
    go_offline()
    return params


def check_writable(*paths: Path) -> None:
    """Refuse files that cannot be written, before work is done in vain.

    Raises:
        VerdictError: names the file, and what the system says.
    """
    for path in paths:
        if os.path.isdir(path):
            raise VerdictError(f"{path} is a folder; name a file")
        # As it will be written: beside its place, and then put there; what is there stays.
        tried = path.with_name(f".{path.name}.check")
        try:
            with replacing(tried) as partial:
                partial.touch()
            tried.unlink()
        except OSError as error:
            raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> VerdictError:
    """Return what is to be said of a file that could not be written."""
    return VerdictError(f"{path} cannot be written: {os.strerror(error.errno or 0)}")
