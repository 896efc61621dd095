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
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.ending import ending_as_interrupted
from verdict.core.errors import VerdictError
from verdict.params.file import read_params
from verdict.pipeline.stage import quieten_libraries
from verdict.reproducibility import go_offline, pin_cpu


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        with ending_as_interrupted():
            _export(options)
    except VerdictError as error:
        sys.exit(f"export: {error}")
    except KeyboardInterrupt:
        sys.exit("export: interrupted; nothing was written")


def _export(options: argparse.Namespace) -> None:
    params = read_params()
    quieten_libraries()
    pin_cpu(params.reproducibility)
    go_offline()
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
    parser = argparse.ArgumentParser(
        prog="python -m tools.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="NAME", help="of evaluate.models (default: the tuned)")
    model.add_argument("--adapter", type=Path, metavar="FOLDER", help="another one of models/base")
    add(
        "--prompts", type=_count, default=16, metavar="N",
        help="prompts of the test split that prove it (default %(default)s)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    main()
