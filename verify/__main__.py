"""Verify this project: is everything what dvc.lock records, and does it come out again?

In a temporary clone, without touching anything here: hashes everything that was pulled, computes
metrics, figures and the verdict again from the predictions, makes data again from its inputs, and
asks the models again about as many records as there is time for. Exit code 0: all of it holds;
1: something is different; 2: it could not be verified, or the numbers could not be computed again.
"""

import argparse
import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from verdict.core.errors import VerdictError
from verdict.pipeline.command import check_writable, ending_as_interrupted, parser_of
from verify.findings import page_of, show, write_findings
from verify.signature import check_signature, prepare
from verify.verification import verify

HOLDS, DIFFERS, UNKNOWN = 0, 1, 2

_KEYS = """
to sign, and to check what is signed:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem
  openssl pkey -in signing-key.pem -pubout -out signing-key.pub.pem
  python -m verify --sign --private-key signing-key.pem
  python -m verify --check --public-key signing-key.pub.pem

git ignores all three files. Give verification.sig and the public key to whoever is to check, by two
ways: a key that lies beside the signature proves nothing. The statement inside is in-toto's, in a
Sigstore bundle; without this project, model-signing checks the same:
  model_signing verify key --signature verification.sig --public_key signing-key.pub.pem \\
    --ignore_unsigned_files .
"""


#: Minutes. A system cannot wait for a process much longer, and nobody does.
_WEEK = 7 * 24 * 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, report, and return the exit code."""
    options = parse(arguments)
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
        _tell(f"{traceback.format_exc()}Could not verify: this is an error of verify itself.")
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


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; ends the program where they contradict one another."""
    parser = parser_of("verify", __doc__, _KEYS)
    parser.add_argument(
        "--minutes",
        type=_minutes,
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
    _add_signing(parser)
    options = parser.parse_args(arguments)
    if wrong := _contradiction(options):
        parser.error(wrong)
    return options


def _add_signing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("signatures")
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--sign",
        action="store_true",
        help="sign what was verified, if nothing is different: files, commit and environment",
    )
    what.add_argument(
        "--check",
        action="store_true",
        help="verify nothing; check a signature, and that the files here are those signed",
    )
    group.add_argument("--private-key", type=Path, metavar="FILE", help="to sign with (PEM)")
    group.add_argument("--public-key", type=Path, metavar="FILE", help="to check with (PEM)")
    group.add_argument(
        "--sigstore", action="store_true", help="no keys: sign by an identity, over the network"
    )
    group.add_argument("--identity", metavar="NAME", help="who must have signed by Sigstore")
    group.add_argument("--issuer", metavar="URL", help="who must have vouched for that identity")
    group.add_argument(
        "--signature",
        type=Path,
        default=Path("verification.sig"),
        metavar="FILE",
        help="the signed statement (default %(default)s)",
    )


def _contradiction(options: argparse.Namespace) -> str:
    if options.sign and bool(options.private_key) == options.sigstore:
        return "--sign needs either --private-key FILE or --sigstore"
    if options.check and bool(options.public_key) == options.sigstore:
        return "--check needs either --public-key FILE or --sigstore"
    if options.check and options.sigstore and not (options.identity and options.issuer):
        return "--check --sigstore needs --identity and --issuer: who has to have signed?"
    if options.private_key and not options.sign:
        return "--private-key is for --sign"
    if options.public_key and not options.check:
        return "--public-key is for --check"
    if options.sigstore and not (options.sign or options.check):
        return "--sigstore is for --sign and --check"
    if (options.identity or options.issuer) and not (options.check and options.sigstore):
        return "--identity and --issuer are for --check --sigstore"
    return ""


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 <= minutes <= _WEEK:
        raise argparse.ArgumentTypeError(f"{text} is no time: 0 to {_WEEK} minutes (a week)")
    return minutes


def _json_path(text: str) -> Path:
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text} has to end in .json")
    return Path(text)


if __name__ == "__main__":
    # As Ctrl-C: what was started ends as well, and the clone goes.
    with ending_as_interrupted():
        code = main()
    sys.exit(code)
