"""Recompute the metrics of prediction files: ``python -m verdict.statistics FILE…``."""

import json
import sys
from pathlib import Path

from verdict.pipeline.command import command, parser_of
from verdict.predictions import read_predictions
from verdict.predictions.origin import edited_by_hand
from verdict.statistics.measurement import measure


def main() -> None:
    """Print the metrics of each predictions file as JSON."""
    parser = parser_of("verdict.statistics", main.__doc__)
    parser.add_argument("files", nargs="+", help="data/predictions/<model>.parquet")
    arguments = parser.parse_args()
    with command("statistics"):
        metrics = {file: measure(read_predictions(file)).values() for file in arguments.files}
        print(json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False))
        for file in arguments.files:
            if warning := edited_by_hand(Path(file)):
                print(f"WARNING: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
