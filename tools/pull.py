"""Pull from the DVC remote what a judge needs, or everything.

    python -m tools.pull proof   splits, adapters, predictions and metrics: to recompute the numbers
    python -m tools.pull all     raw data, records and models, too: to run any stage again

What `proof` leaves out may be large (the melanoma recipe's raw archive has 23 GB). The remote is
checked first, so that a wrong one is named.
"""

import sys
from collections.abc import Sequence

from dvc.cli import main as dvc

from tools.remote import check
from verdict.core.paths import EXTRACT_METRICS
from verdict.pipeline.command import command, parser_of

#: Stages whose outputs are the proof, and the one output of extract that is small.
PROOF = (
    str(EXTRACT_METRICS), "split", "train", "replicate", "baseline", "evaluate", "evaluate_outside"
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("tools.pull", __doc__)
    parser.add_argument("what", choices=("proof", "all"))
    options = parser.parse_args(arguments)
    with command("pull"):
        print(check(), flush=True)
    sys.exit(dvc(["pull", *(PROOF if options.what == "proof" else ())]))


if __name__ == "__main__":
    main()
