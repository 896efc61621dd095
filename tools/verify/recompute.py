"""Compute each model's metrics and curves again from its predictions: run in the clone."""

import sys

from verdict.params.file import read_params
from verdict.reproducibility import pin_cpu


def main(names: list[str]) -> None:
    pin_cpu(read_params().reproducibility)
    # Imported only now: numpy must find the pins in its environment.
    from stages.evaluate import METRICS, PREDICTIONS
    from verdict.predictions import read_predictions
    from verdict.statistics.measurement import write_measurement

    for name in names:
        write_measurement(METRICS, name, read_predictions(PREDICTIONS / f"{name}.parquet"))


if __name__ == "__main__":
    main(sys.argv[1:])
