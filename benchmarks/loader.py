"""Does data reach the trainer faster than the trainer eats it?

``make bench name=loader`` needs the recipe's inputs (``dvc repro format fetch_model@base`` makes
them). The trainer's need is the rows a second of a bare training step on batches that are ready in
memory; the loader's throughput the rows a second of the trainer's own data loader (reading,
decoding, the processor, collating) with nobody training beside it. Both run on this machine, in
turns, the loader with as many processes as the recipe says.
"""

import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.parts.table import Figure, conclude
from benchmarks.step import prepare, seconds_a_bare_step
from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu

ROUNDS, EPOCHS = 5, 3


def main() -> None:
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    rows = params.train.per_device_train_batch_size
    needs, gives = [], []
    with tempfile.TemporaryDirectory() as folder:
        trainer, batches = prepare(params, Path(folder))
        for _ in range(ROUNDS):
            needs.append(rows / seconds_a_bare_step(trainer, batches))
            gives.append(rows_a_second(trainer))
    ratio = statistics.median(a / b for a, b in zip(gives, needs, strict=True))
    conclude(
        f"loader with {params.train.dataloader_num_workers} processes, {trainer.args.device}",
        [
            Figure("the trainer eats", statistics.median(needs), "rows/s"),
            Figure("the loader gives", statistics.median(gives), "rows/s"),
            Figure("loader over trainer, median of rounds", ratio, "times", ">=", 5),
        ],
    )


def rows_a_second(trainer: Any) -> float:
    """Return the speed of the trainer's loader over some epochs, from its first batch on.

    Starting its processes, once a run, is no part of it.
    """
    epochs = (trainer.get_train_dataloader() for _ in range(EPOCHS))
    batches = itertools.chain.from_iterable(epochs)
    next(batches)
    started, rows = time.perf_counter(), 0
    for batch in batches:
        rows += len(batch["input_ids"])
    return rows / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
