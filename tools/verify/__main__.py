"""Verify this project: is everything what dvc.lock records, and does it come out again?

In a temporary clone, without touching anything here: hashes everything that was pulled, computes
metrics, figures and the verdict again from the predictions, makes data again from its inputs, and
asks the models again about as many records as there is time for. Exit code 0: all of it holds;
1: something is different; 2: it could not be verified.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tools.verify.page import write_page
from tools.verify.results import Verification
from tools.verify.table import show
from tools.verify.verification import verify
from verdict.errors import VerdictError
from verdict.files import write_json

HOLDS, DIFFERS, UNKNOWN = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, report, and return the exit code."""
    options = _parser().parse_args(arguments)
    log = Console(stderr=True, highlight=False)
    started = time.monotonic()

    def say(message: str) -> None:
        log.print(f"[dim]{time.monotonic() - started:5.0f} s  {message}[/dim]", soft_wrap=True)

    try:
        result = verify(
            Path(), minutes=options.minutes, train=options.train, keep=options.keep, say=say
        )
        _write(result, options.out)
    except VerdictError as error:
        print(f"Could not verify: {error}.", file=sys.stderr)
        return UNKNOWN
    except KeyboardInterrupt:
        print("Could not verify: interrupted; nothing was changed.", file=sys.stderr)
        return UNKNOWN
    show(result, Console())
    print(f"Details: {options.out} and {options.out.with_suffix('.html')}")
    return HOLDS if result.holds else DIFFERS


def _write(result: Verification, out: Path) -> None:
    try:
        write_json(out, result.as_json())
        write_page(out.with_suffix(".html"), result)
    except OSError as error:
        raise VerdictError(f"{out} cannot be written: {os.strerror(error.errno or 0)}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10.0,
        metavar="N",
        help="time for making data and answers again (default 10); 0: statistics alone",
    )
    parser.add_argument(
        "--train", action="store_true", help="build models and train again, however long it takes"
    )
    parser.add_argument(
        "--out",
        type=_json_path,
        default=Path("verification.json"),
        metavar="FILE",
        help="where to write the findings, beside them a page for people (default %(default)s)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary clone")
    return parser


def _json_path(text: str) -> Path:
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text} has to end in .json")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
