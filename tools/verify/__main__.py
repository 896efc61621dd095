"""Verify this project: is everything what dvc.lock records, and does it come out again?

In a temporary clone, without touching anything here: hashes everything that was pulled, computes
metrics, figures and the verdict again from the predictions, makes data again from its inputs, and
asks the models again about as many records as there is time for. Exit code 0: all of it holds;
1: something is different; 2: it could not be verified, or the numbers could not be computed again.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tools.verify.options import parse
from tools.verify.page import write_page
from tools.verify.results import Verification
from tools.verify.signed import check_signature, prepare
from tools.verify.table import show
from tools.verify.verification import verify
from verdict.errors import VerdictError
from verdict.files import write_json

HOLDS, DIFFERS, UNKNOWN = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, report, and return the exit code."""
    options = parse(arguments, __doc__)
    log = Console(stderr=True, highlight=False)
    started = time.monotonic()

    def say(message: str) -> None:
        log.print(f"[dim]{time.monotonic() - started:5.0f} s  {message}[/dim]", soft_wrap=True)

    try:
        if options.check:
            return HOLDS if check_signature(options) else DIFFERS
        return _verify(options, say)
    except VerdictError as error:
        print(f"Could not verify: {error}.", file=sys.stderr)
        return UNKNOWN
    except KeyboardInterrupt:
        print("Could not verify: interrupted; nothing was changed.", file=sys.stderr)
        return UNKNOWN


def _verify(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Verify, show and write what was found; sign it where that is asked for; the exit code."""
    signing = prepare(options, say) if options.sign else None
    result = verify(
        Path(), minutes=options.minutes, train=options.train, keep=options.keep, say=say
    )
    _write(result, options.out)
    show(result, Console())
    print(f"Details: {options.out} and {options.out.with_suffix('.html')}")
    if signing:
        print(signing.finish(result))
    if result.differs:
        return DIFFERS
    return HOLDS if result.holds else UNKNOWN


def _write(result: Verification, out: Path) -> None:
    try:
        write_json(out, result.as_json())
        write_page(out.with_suffix(".html"), result)
    except OSError as error:
        raise VerdictError(f"{out} cannot be written: {os.strerror(error.errno or 0)}") from None


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # As Ctrl-C: what was started ends as well, and the clone goes.
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
