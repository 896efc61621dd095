"""What watches a run: progress, the loss curve, a loss that is not finite, a wish to stop."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from verdict.core.errors import VerdictError
from verdict.runtime.failures import peak_memory
from verdict.runtime.progress import Bar
from verdict.runtime.signals import Stopped, StopWish


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


def _anywhere(here: bool, args: TrainingArguments) -> bool:
    """Say whether any process has a wish to stop, so that all save at the same step."""
    if args.world_size == 1:
        return here
    flag = torch.tensor(int(here), device=args.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
