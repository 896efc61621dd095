"""trl's SFTTrainer and transformers' Trainer, made exact: order of rows, loss, checkpoints.

Both get the same additions (:class:`ExactTrainer`); they differ in how the loss comes from the
outputs.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, EvalLoopOutput, IntervalStrategy
from trl import SFTTrainer

from verdict.core.errors import VerdictError
from verdict.runtime.batch_processes import shield
from verdict.runtime.resume import seal_checkpoint
from verdict.training.losses import answer_losses, label_losses
from verdict.training.rows import POSITIONS, WEIGHTS
from verdict.training.vision_features import VisionFeatures

CONSUMED_FILE = "consumed.json"


class EpochOrder(Sampler[int]):
    """Yields every row once, in an order that is a function of (seed, epoch) alone.

    ``padding`` further rows come last, always in the same order.
    """

    def __init__(self, rows: int, seed: int, padding: int = 0):
        self._rows, self._seed, self._padding = rows, seed, padding
        self.epoch = 0

    def __len__(self) -> int:
        return self._rows + self._padding

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self._seed, self.epoch])
        return iter([*generator.permutation(self._rows).tolist(), *range(self._rows, len(self))])


class _FollowEpoch(TrainerCallback):
    """Tells the order which epoch begins.

    accelerate's ``set_epoch`` does not reach a sampler through every wrapper that sharding and
    resuming put around it.
    """

    def __init__(self, order: EpochOrder):
        self._order = order

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._order.epoch = int(state.epoch or 0)


class SaveAfterEvaluation(TrainerCallback):
    """Puts off a checkpoint at an epoch's end until the epoch's evaluation is done.

    Saved before, it would let a resumed run go on without that evaluation.
    """

    def __init__(self) -> None:
        self._put_off = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        ends = float(state.epoch or 0).is_integer() or state.global_step >= state.max_steps
        if args.eval_strategy == IntervalStrategy.EPOCH and ends and control.should_save:
            control.should_save, self._put_off = False, True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._put_off:
            control.should_save, self._put_off = True, False


class ExactTrainer(Trainer):
    """What both trainers add; put before the trainer class that it extends.

    Args:
        padding: how many of the training rows, the last ones, only fill up the last batch.
        label_smoothing: share of the target that is spread over all tokens or labels.

    Attributes:
        consumed: for every forward pass of training the positions of its rows, over all processes.
        vision: features of the frozen vision tower, where they are cached.
    """

    def __init__(self, *, padding: int = 0, label_smoothing: float = 0.0, **options: Any):
        super().__init__(**options)
        self._label_smoothing = label_smoothing
        # compute_loss divides by what the whole accumulated batch holds.
        self.loss_is_scaled_for_ga = True
        self.vision: VisionFeatures | None = None
        self.consumed: list[list[int]] = []
        rows: Any = self.train_dataset
        self._order = EpochOrder(len(rows) - padding, self.args.seed, padding)
        self.add_callback(_FollowEpoch(self._order))
        self._finished = False
        self._validation = self._nothing_validated()

    def _nothing_validated(self) -> torch.Tensor:
        """Return the sum of losses and the count of learned tokens (or rows), both 0."""
        return torch.zeros(2, dtype=torch.float64)

    def get_train_dataloader(self) -> Any:
        return shield(super().get_train_dataloader())

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        return shield(super().get_eval_dataloader(eval_dataset))

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        return self._order

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor:
        count = sum(batch["labels"].ne(-100).sum() for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(count).to(device)).sum()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the mean loss over the learned tokens (or rows) of the whole accumulated batch.

        Without ``num_items_in_batch`` (in evaluation) the mean is over this batch.
        """
        inputs = dict(inputs)
        positions, weights = inputs.pop(POSITIONS, None), inputs.pop(WEIGHTS, None)
        if model.training and positions is not None:
            everywhere = self.accelerator.gather(positions).tolist()
            self.consumed.append([position for position in everywhere if position >= 0])
        if self.vision is not None and positions is not None and model.training:
            inputs |= self.vision.inputs_for(torch.maximum(positions, ~positions))
            inputs.pop("pixel_values", None)
        outputs, losses = self._losses(model, inputs)
        if weights is not None:
            losses = losses * weights.view(-1, *[1] * (losses.dim() - 1))
        total, count = losses.sum(), inputs["labels"].ne(-100).sum()
        if not model.training:
            self._validation += torch.stack([total, count]).detach().cpu()
        if num_items_in_batch is None:
            loss = total / count
        else:
            # Data-parallel processes average their gradients; the count is that of all of them.
            loss = total / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        """Return the outputs and the loss of each token or row, 0 where nothing is learned."""
        raise NotImplementedError

    def evaluation_loop(self, *arguments: Any, **options: Any) -> EvalLoopOutput:
        """Evaluate; the loss is the mean over all learned tokens (or rows), however batched."""
        self._validation = self._nothing_validated()
        output = super().evaluation_loop(*arguments, **options)
        # One process alone has nothing to add; and Apple's GPU knows no float64.
        whole = self._validation
        if self.accelerator.num_processes > 1:
            whole = whole.to(self.args.device)
        sums: Any = self.accelerator.reduce(whole, "sum")
        prefix = options.get("metric_key_prefix", "eval")
        loss = {f"{prefix}_loss": (sums[0] / sums[1]).item()}
        return output._replace(metrics={**(output.metrics or {}), **loss})

    def floating_point_ops(self, inputs: Any) -> int:
        # An estimate that nothing reads, and that counts every parameter at every step.
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        # trl's own version adds averages that this compute_loss does not collect.
        Trainer.log(self, logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        model: Any = self.model
        if isinstance(model, PeftModel):
            super()._save(output_dir, state_dict)
            return
        # Without this a whole model's weights are written under the hub's older names, and resuming
        # finds none of them again, with no more than a warning.
        model.save_pretrained = functools.partial(model.save_pretrained, save_original_format=False)
        try:
            super()._save(output_dir, state_dict)
        finally:
            del model.save_pretrained

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
        lost = [key for key in load_result.missing_keys if key not in tied]
        if lost or load_result.unexpected_keys:
            raise VerdictError(
                "the checkpoint does not hold the weights of this model "
                f"({', '.join([*lost, *load_result.unexpected_keys][:3])}, …); remove "
                f"{self.args.output_dir} and run `dvc repro` again"
            )

    def _run_epoch(self, *arguments: Any, **options: Any) -> None:
        if self._finished:
            # The checkpoint is a finished run's; transformers would take one more step.
            self.control.should_training_stop = True
            return
        super()._run_epoch(*arguments, **options)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # trl's own version writes a model card first.
        Trainer._save_checkpoint(self, model, trial)
        folder = Path(
            str(self.args.output_dir), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        )
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            (folder / CONSUMED_FILE).write_text(json.dumps(self.consumed), encoding="utf-8")
            seal_checkpoint(folder)

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> Any:
        self.consumed, self._finished = [], False
        if resume_from_checkpoint:
            folder = Path(str(resume_from_checkpoint))
            self.consumed = json.loads((folder / CONSUMED_FILE).read_text(encoding="utf-8"))
            state = json.loads((folder / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
            stopped = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]
            self._finished = stopped or state["global_step"] >= state["max_steps"]
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)


class WritingTrainer(ExactTrainer, SFTTrainer):
    """Learns the answer's tokens and the end of the turn."""

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        return answer_losses(model, inputs, self._label_smoothing)


class ClassifyingTrainer(ExactTrainer):
    """Learns a label, read off the model's ``score`` head."""

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        return label_losses(model, inputs, self._label_smoothing)
