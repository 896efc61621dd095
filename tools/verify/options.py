"""The options of the command, and which of them go together."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

_KEYS = """
to sign, and to check what is signed:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing-key.pem
  openssl pkey -in signing-key.pem -pubout -out signing-key.pub.pem
  python -m tools.verify --sign --private-key signing-key.pem
  python -m tools.verify --check --public-key signing-key.pub.pem

git ignores all three files. Give verification.sig and the public key to whoever is to check, by two
ways: a key that lies beside the signature proves nothing. The statement inside is in-toto's, in a
Sigstore bundle; without this project, model-signing checks the same:
  model_signing verify key --signature verification.sig --public_key signing-key.pub.pem \\
    --ignore_unsigned_files .
"""


#: Minutes. A system cannot wait for a process much longer, and nobody does.
_WEEK = 7 * 24 * 60


def parse(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Return the options; ends the program where they contradict one another."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.verify",
        description=description,
        epilog=_KEYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
