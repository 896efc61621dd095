"""Ask a model again, in the clone: ``python -m tools.verify.sample NAME SECONDS OUT [SEED]``."""

import secrets
import sys
from pathlib import Path

from verdict.params_file import read_params
from verdict.reproducibility import go_offline, pin_cpu


def main(name: str, seconds: float, out: Path, seed: int) -> None:
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from tools.verify.asking import ask_again

    ask_again(name, seconds, out, params, seed)


if __name__ == "__main__":
    drawn = int(sys.argv[4]) if len(sys.argv) > 4 else secrets.randbits(32)
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), drawn)
