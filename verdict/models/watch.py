"""What watches a run: progress, the loss curve, a loss that is not finite, a wish to stop."""

import math
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import torch.distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from verdict.core.errors import VerdictError
from verdict.core.processes import is_main
from verdict.core.progress import Bar

#: Seconds from SIGTERM to the end; a preempted pod gets about 15 in all.
GRACE = 10.0


class Stopped(VerdictError):
    """The run was asked to stop; what it had learned is in a checkpoint."""


@dataclass
class StopWish:
    """Which signal asked the run to stop, if any, and whether there are steps to wait for."""

    signal: str | None = None
    training: bool = False


@contextmanager
def heed_signals() -> Iterator[StopWish]:
    """Turn SIGTERM and Ctrl-C into a wish, granted after the step in progress.

    Before the first step, and at a second Ctrl-C, the run ends at once. When a step takes longer
    than ``GRACE`` seconds after SIGTERM the process ends without waiting for it; the checkpoints
    before stay.
    """
    wish = StopWish()

    def note(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if not wish.training:
            raise Stopped(f"stopped by {name} before the first step; nothing was lost")
        if wish.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        wish.signal = name
        if is_main():
            again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
            print(f"\ntrain: {name}: saving a checkpoint after this step{again}", file=sys.stderr)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with _deadline():
            yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _deadline() -> Iterator[None]:
    """End the process ``GRACE`` seconds after SIGTERM, if the block has not ended by then.

    A thread waits for it, told by the system: Python's own handlers wait until a long operation of
    torch is over.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    over = threading.Event()

    def wait() -> None:
        while True:
            numbers = reader.recv(64)
            if over.is_set():
                return
            if signal.SIGTERM in numbers:
                if not over.wait(GRACE):
                    _give_up()
                return

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        # Closing would not wake the thread while a process that prepares batches has a copy.
        writer.send(b"\0")
        waiting.join()
        writer.close()
        reader.close()


def _give_up() -> None:
    print(
        f"\ntrain: the step in progress took longer than {GRACE:g} s after SIGTERM; `dvc repro` "
        "resumes from the last complete checkpoint",
        file=sys.stderr,
        flush=True,
    )
    os._exit(128 + signal.SIGTERM)


class Watch(TrainerCallback):
    """Shows progress and hands on the curve; ends a run on a bad loss or a wish to stop.

    Args:
        every: optimizer steps a point of the curve (``train.logging_steps``).
        on_point: called with (step, values) for every point, as the run proceeds.
    """

    def __init__(
        self,
        bar: Bar,
        wish: StopWish,
        *,
        every: int,
        on_point: Callable[[int, dict[str, float]], None],
    ):
        self._bar, self._wish, self._every, self._on_point = bar, wish, every, on_point
        self._samples_a_step = 0
        self._note = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._samples_a_step = (
            args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
        )
        self._wish.training = True
        self._bar.begin(total=state.max_steps, done=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if _anywhere(self._wish.signal is not None, args):
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if _anywhere(self._wish.signal is not None, args):
            raise Stopped(
                f"stopped by {self._wish.signal or 'another process'} after step "
                f"{state.global_step} of {state.max_steps}, with a complete checkpoint; "
                "`dvc repro` resumes from it"
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        logs = logs or {}
        if "eval_loss" in logs:
            self._on_point(state.global_step, {"eval_loss": logs["eval_loss"]})
        if "loss" not in logs:
            return
        for name, what in (("loss", "the loss"), ("grad_norm", "the gradient's norm")):
            if not math.isfinite(logs[name]):
                raise VerdictError(
                    f"{what} is {logs[name]} at step {state.global_step}; no adapter is published, "
                    "and the checkpoints before are kept. Lower train.learning_rate, or look for "
                    "damaged rows"
                )
        rate = self._bar.rate * self._samples_a_step
        gigabytes = peak_memory(args.device)
        self._bar.advance(1, f"loss {logs['loss']:.4f}, {rate:,.1f} samples/s, {gigabytes:.1f} GB")
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            point = loss_curve(state.log_history[-2 * self._every :], self._every)[-1]
            values = {name: point[name] for name in ("loss", "learning_rate", "grad_norm")}
            self._on_point(
                state.global_step,
                {**values, "samples_per_second": rate, "peak_memory_gb": gigabytes},
            )


def loss_curve(history: list[dict[str, float]], every: int) -> list[dict[str, float]]:
    """Average the steps' losses in groups that end at each multiple of ``every``.

    Returns:
        For each group its last step with that step's learning rate and gradient norm, and the mean
        loss. A last, shorter group is kept.
    """
    steps = [entry for entry in history if "loss" in entry]
    groups: dict[int, list[dict[str, float]]] = {}
    for entry in steps:
        groups.setdefault((int(entry["step"]) - 1) // every, []).append(entry)
    return [
        {
            "step": group[-1]["step"],
            "loss": math.fsum(entry["loss"] for entry in group) / len(group),
            "learning_rate": group[-1]["learning_rate"],
            "grad_norm": group[-1]["grad_norm"],
        }
        for group in groups.values()
    ]


def evaluation_curve(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the validation losses: step, eval_loss."""
    return [
        {"step": entry["step"], "eval_loss": entry["eval_loss"]}
        for entry in history
        if "eval_loss" in entry
    ]


def peak_memory(device: torch.device) -> float:
    """Return the most memory that this process has held so far, in GB: the GPU's, or its own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _anywhere(here: bool, args: TrainingArguments) -> bool:
    """Say whether any process has a wish to stop, so that all save at the same step."""
    if args.world_size == 1:
        return here
    flag = torch.tensor(int(here), device=args.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
