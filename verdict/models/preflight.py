"""Pre-flight: prove before step 1 what is going to be learned, by what, and that it can be kept.

Every check looks at the real rows and the real model, says what it saw, and leaves the trainer as
it was.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich import box
from rich.table import Table
from rich.text import Text
from transformers import ProcessorMixin

from verdict.conversations import Conversation
from verdict.models.preflight_passes import check_batch, check_gradients, check_reload
from verdict.models.preflight_rows import check_rows
from verdict.models.preflight_text import Check, Rows, Trainer
from verdict.models.preflight_weights import check_dtypes, check_modules, check_trainable
from verdict.params.training import Lora, ModelOptions, Train


@dataclass(frozen=True)
class Preflight:
    """The checks, all of which passed."""

    checks: list[Check]

    def as_json(self) -> dict[str, Any]:
        """Return the figures of each check, for a metrics file; equal runs give equal figures."""
        return {
            check.name.lower().replace(" ", "_"): _rounded(check.figures) for check in self.checks
        }

    def table(self) -> Table:
        """Return a table with one line a check."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
        table.add_column("pre-flight")
        table.add_column("seen")
        table.add_column("")
        for check in self.checks:
            table.add_row(check.name, Text(check.seen), "ok")
        return table


def run_preflight(
    trainer: Trainer,
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    *,
    train: Train,
    lora: Lora,
    model_options: ModelOptions,
) -> Preflight:
    """Check rows, weights, gradients, saving and batches before the first step.

    Args:
        conversations: all of the training split, in the order of the rows' positions.

    Raises:
        VerdictError: a check failed: what is wrong, in which row or module, and what to do.
    """
    rows = Rows(trainer, processor, conversations)
    with _untouched(trainer):
        return Preflight(
            [
                *check_rows(rows),
                check_modules(trainer, train, lora),
                check_trainable(trainer, train),
                check_dtypes(trainer),
                check_gradients(rows),
                check_reload(rows),
                check_batch(rows, model_options),
            ]
        )


@contextmanager
def _untouched(trainer: Trainer) -> Iterator[None]:
    """Put back what looking changes: random generators, modes, gradients, the record of rows."""
    model: Any = trainer.model
    modes = [(module, module.training) for module in model.modules()]
    consumed = len(trainer.consumed)
    python, numpy = random.getstate(), np.random.get_state()
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            # Dropout is then the same whatever ran before.
            torch.manual_seed(trainer.args.seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for module, training in modes:
            module.training = training
        del trainer.consumed[consumed:]
        model.zero_grad(set_to_none=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
