"""Merge the adapter into one model in bfloat16, and prove that it still is the same model.

    python -m tools.export --output exported
    python -m tools.predict --adapter exported --image lesion.jpg

The base is loaded unquantized, never in 4 bits, and the adapter is merged in the recipe's
precision. Its logits for prompts and images of the test split have to agree with those of the
adapter on its base, as merged; as stored, loaded by another process, with those of the merged
weights, rounded; and rounding must leave the adapter what it does. The folder appears when all
hold, and never replaces another. A wholly trained model has nothing to merge; it is stored the same
way.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.predict import add_model_options
from verdict.pipeline.command import command, parser_of, pinned_params


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    with command("export"):
        _export(options)


def _export(options: argparse.Namespace) -> None:
    params = pinned_params()
    # Imported only now: torch must find the pins in its environment.
    from tools.export.merging import export
    from tools.predict.answering import chosen

    weights = chosen(params, options.model, options.adapter)
    export(params, weights, options.output, options.prompts, lambda line: print(line, flush=True))
    size = sum(path.stat().st_size for path in options.output.glob("*.safetensors"))
    print(f"{options.output}: {size / 1e6:,.1f} MB of weights")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} prompts prove nothing: 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("tools.export", __doc__)
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist")
    add_model_options(parser)
    add(
        "--prompts", type=_count, default=16, metavar="N",
        help="prompts of the test split that prove it (default %(default)s)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    main()
