"""Ask a model about images and texts that are in no data set: the same way as ``evaluate`` asks."""

from argparse import ArgumentParser
from pathlib import Path

#: Stands wherever a person reads an answer.
DISCLAIMER = "Not a medical device, not for diagnosis."


def add_model_options(parser: ArgumentParser) -> None:
    """Let a command be told which model is meant (``answering.chosen``)."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="NAME", help="of evaluate.models (default: the tuned)")
    model.add_argument(
        "--adapter",
        type=Path,
        metavar="FOLDER",
        help="another adapter over models/base, or a whole model such as tools.export writes",
    )
