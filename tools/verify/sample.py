"""Ask a model again, in the clone: ``python -m tools.verify.sample NAME SECONDS OUT [SEED]``."""

import secrets
import sys
from pathlib import Path

from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu


def main(name: str, seconds: float, out: Path, seed: int | None = None) -> None:
    """Ask again; without a seed, about records that nobody could know before.

    Raises:
        VerdictError: ``params.yaml`` is missing or wrong.
    """
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from tools.verify.asking import ask_again

    ask_again(name, seconds, out, params, secrets.randbits(32) if seed is None else seed)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:5]))
