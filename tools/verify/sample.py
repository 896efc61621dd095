"""Ask a model again: ``python -m tools.verify.sample NAME SECONDS OUT``, run in the clone."""

import sys
from pathlib import Path

from verdict.params_file import read_params
from verdict.reproducibility import go_offline, pin_cpu


def main(name: str, seconds: float, out: Path) -> None:
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from tools.verify.asking import ask_again

    ask_again(name, seconds, out, params)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
