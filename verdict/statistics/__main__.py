"""Recompute the metrics of prediction files: ``python -m verdict.statistics FILE…``."""

import argparse
import json
import sys
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.predictions import read_predictions
from verdict.predictions.origin import edited_by_hand
from verdict.statistics.measurement import measure


def main() -> None:
    """Print the metrics of each predictions file as JSON."""
    parser = argparse.ArgumentParser(prog="python -m verdict.statistics", description=main.__doc__)
    parser.add_argument("files", nargs="+", help="data/predictions/<model>.parquet")
    arguments = parser.parse_args()
    try:
        metrics = {file: measure(read_predictions(file)).values() for file in arguments.files}
    except VerdictError as error:
        sys.exit(str(error))
    print(json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False))
    for file in arguments.files:
        if warning := edited_by_hand(Path(file)):
            print(f"WARNING: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
