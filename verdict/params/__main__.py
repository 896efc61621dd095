"""Check a params file and print its resolved form."""

import argparse
import sys
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import PARAMS_FILE
from verdict.core.yaml12 import dump_yaml
from verdict.params.file import read_params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m verdict.params", description=__doc__)
    parser.add_argument("file", nargs="?", default=PARAMS_FILE, type=Path)
    parser.add_argument("--quiet", action="store_true", help="only check, print nothing if valid")
    arguments = parser.parse_args()
    try:
        params = read_params(arguments.file)
    except VerdictError as error:
        sys.exit(str(error))
    if not arguments.quiet:
        print(dump_yaml(params.model_dump()), end="")


if __name__ == "__main__":
    main()
