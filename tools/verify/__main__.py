"""Verify this project: is everything what dvc.lock records, and does it come out again?

In a temporary clone, without touching anything here: hashes everything that was pulled, computes
metrics, figures and the verdict again from the predictions, makes data again from its inputs, and
asks the models again about as many records as there is time for. Exit code 0: all of it holds;
1: something is different; 2: it could not be verified, or the numbers could not be computed again.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from tools.ending import ending_as_interrupted
from tools.verify.options import parse
from tools.verify.signed import check_signature, prepare
from tools.verify.table import show
from tools.verify.verification import verify
from tools.verify.written import page_of, write_findings
from tools.writable import check_writable
from verdict.core.errors import VerdictError

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
        _tell(f"Could not verify: {str(error).rstrip('.')}.")
    except KeyboardInterrupt:
        _tell("Could not verify: interrupted; nothing was changed.")
    except Exception:
        # Whatever it is, it is no difference, which the code of a traceback would say.
        _tell(f"{traceback.format_exc()}Could not verify: this is an error of tools.verify itself.")
    return UNKNOWN


def _verify(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Verify, show and write what was found; sign it where that is asked for; the exit code."""
    page = page_of(options.out)
    check_writable(options.out, page, *([options.signature] if options.sign else []))
    signing = prepare(options, say) if options.sign else None
    result = verify(
        Path(), minutes=options.minutes, train=options.train, keep=options.keep, say=say
    )
    try:
        show(result, Console())
    finally:
        # Also where nobody reads to the end, as `head` does not.
        write_findings(result, options.out)
    print(f"Details: {options.out} and {page}")
    if signing:
        print(signing.finish(result))
    if result.differs:
        return DIFFERS
    return HOLDS if result.holds else UNKNOWN


def _tell(text: str) -> None:
    # There may be no terminal any more.
    with suppress(OSError):
        print(text, file=sys.stderr)


if __name__ == "__main__":
    # As Ctrl-C: what was started ends as well, and the clone goes.
    with ending_as_interrupted():
        code = main()
    sys.exit(code)
