"""Ask the tuned model about images or texts of your own.

    python -m tools.predict --image lesion.jpg
    python -m tools.predict --image folder --output answers.csv
    python -m tools.predict --image https://example.org/lesion.jpg --model base --json
    python -m tools.predict --image scan.png --question 'Is a mass visible?'
    python -m tools.predict --images prior.png current.png   # one record of two images
    python -m tools.predict --pair 'Anna Meyer, 1961' 'Ann Meier, 1961'
    python -m tools.predict --pairs pairs.csv --output matches.parquet

An image goes the way of the pipeline: decoded, resized and stored as `extract` does, asked about as
`format` says, scored, generated and parsed as `evaluate` does. Exit code 0: everything has an
answer; 1: something has none, and it is named.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tools.predict import DISCLAIMER, add_model_options
from verdict.core.errors import VerdictError
from verdict.pipeline.command import command, parser_of, pinned_params

ANSWERED, FAILED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print or write the answers, and return the exit code."""
    options = _parser().parse_args(arguments)
    with command("predict"):
        return _predict(options)


def _predict(options: argparse.Namespace) -> int:
    params = pinned_params()
    # Imported only now: torch and the hub's library must find the pins in their environment.
    from tools.predict.answering import Predictor, chosen
    from tools.predict.output import as_json, check_output, for_people, writing
    from tools.predict.questions import combined, files_named, images_named, texts_named, together

    if options.output:
        named = chain(options.image, *options.images)
        check_output(options.output, files_named(named, options.pairs))
    asked = params.format
    if options.prompt is not None:
        if not options.prompt.strip():
            raise VerdictError("--prompt is blank, which asks nothing: leave it out, or ask")
        asked = asked.model_copy(update={"prompt": options.prompt})
    weights = chosen(params, options.model, options.adapter)
    predictor = Predictor(params, weights, asked)
    texts = list(texts_named(params, options.texts, options.pair, options.pairs))
    done = failed = 0
    with ExitStack() as stack:
        downloads = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="verdict-")))
        images = chain(
            images_named(options.image, downloads), together(options.images, downloads, asked)
        )
        answers = predictor.answers(combined(images, texts, params, asked))
        write = None
        if options.output:
            about = predictor.labels, weights.name
            write = stack.enter_context(writing(options.output, *about))
        for answered in answers:
            done += 1
            if answered.error is not None:
                failed += 1
                print(f"{answered.question.name}: {answered.error}", file=sys.stderr)
            if write:
                write(answered)
            if options.json:
                print(json.dumps(as_json(answered, weights.name), ensure_ascii=False), flush=True)
            elif write is None and answered.error is None:
                print(for_people(answered, asked.answers or {}), flush=True)
    _close(done, failed, options)
    return FAILED if failed else ANSWERED


def _close(done: int, failed: int, options: argparse.Namespace) -> None:
    """Say what was done, where it disturbs no ``--json``."""
    if options.output:
        print(f"{options.output}: {done - failed:,} of {done:,} answered", file=sys.stderr)
    elif failed:
        print(f"{failed:,} of {done:,} have no answer", file=sys.stderr)
    print(DISCLAIMER, file=sys.stderr if options.json else sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("tools.predict", __doc__)
    add = parser.add_argument
    add(
        "--image", action="append", default=[], metavar="IMAGE",
        help="a path, a folder, or an address (https://, gs://, s3://); may be repeated",
    )  # fmt: skip
    add(
        "--images", action="append", nargs="+", default=[], metavar="IMAGE",
        help="asked about together, in order, or a folder with a DICOM series; may be repeated",
    )  # fmt: skip
    add(
        "--question", "--text", dest="texts", action="append", default=[], metavar="TEXT",
        type=_text,
        help="what stands in the prompt for {text}; repeated, each image is asked each",
    )  # fmt: skip
    add(
        "--pair", nargs=2, action="append", default=[], metavar=("A", "B"), type=_text,
        help="two texts",
    )  # fmt: skip
    add("--pairs", metavar="FILE", help="a CSV, TSV, JSON-lines or Parquet file of two texts a row")
    add_model_options(parser)
    add("--prompt", metavar="TEXT", type=_text, help="instead of the recipe's question")
    add("--json", action="store_true", help="print one JSON object a line")
    add(
        "--output", type=Path, metavar="FILE",
        help="write a .jsonl, .csv or .parquet file, whole or not at all",
    )  # fmt: skip
    return parser


def _text(argument: str) -> str:
    """Refuse bytes that are not UTF-8, which Python keeps as halves of surrogate pairs."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{argument!a} is not text in UTF-8") from None
    return argument


if __name__ == "__main__":
    sys.exit(main())
