"""What a process of its own computes again in the clone.

python -m verify.again metrics NAME …                    metrics and curves, from predictions
python -m verify.again answers NAME SECONDS OUT [SEED]   a model's answers to a sample
"""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from verdict.core.paths import METRICS, PREDICTIONS
from verdict.pipeline.command import pinned_params


def metrics(names: Sequence[str]) -> None:
    """Compute each model's metrics and curves again from its predictions."""
    pinned_params()
    # Imported only now: numpy must find the pins in its environment.
    from verdict.predictions import read_predictions
    from verdict.statistics.measurement import write_measurement

    for name in names:
        write_measurement(METRICS, name, read_predictions(PREDICTIONS / f"{name}.parquet"))


def answers(name: str, seconds: str, out: str, seed: str | None = None) -> None:
    """Ask a model again; without a seed, about records that nobody could know before.

    Raises:
        VerdictError: ``params.yaml`` is missing or wrong.
    """
    params = pinned_params()
    # Imported only now: torch must find the pins in its environment.
    from verify.answers import ask_again

    drawn = secrets.randbits(32) if seed is None else int(seed)
    ask_again(name, float(seconds), Path(out), params, drawn)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "metrics":
        metrics(arguments)
    else:
        answers(*arguments)
