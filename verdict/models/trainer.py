"""trl's SFTTrainer and transformers' Trainer, made exact: order of rows, loss, checkpoints.

Both get the same additions (:class:`_Exact`); they differ in how the loss comes from the outputs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import SFTTrainer

from verdict.models.checkpoints import seal
from verdict.models.collate import POSITIONS, WEIGHTS
from verdict.models.losses import answer_losses, label_losses
from verdict.models.vision_features import VisionFeatures

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


class _Exact(Trainer):
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
        if num_items_in_batch is None:
            loss = losses.sum() / inputs["labels"].ne(-100).sum()
        else:
            # Data-parallel processes average their gradients; the count is that of all of them.
            loss = losses.sum() / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        """Return the outputs and the loss of each token or row, 0 where nothing is learned."""
        raise NotImplementedError

    def floating_point_ops(self, inputs: Any) -> int:
        # An estimate that nothing reads, and that counts every parameter at every step.
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        # trl's own version adds averages that this compute_loss does not collect.
        Trainer.log(self, logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # trl's own version writes a model card first.
        Trainer._save_checkpoint(self, model, trial)
        folder = Path(
            str(self.args.output_dir), f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        )
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            (folder / CONSUMED_FILE).write_text(json.dumps(self.consumed), encoding="utf-8")
            seal(folder)

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> Any:
        self.consumed = []
        if resume_from_checkpoint:
            saved = Path(str(resume_from_checkpoint), CONSUMED_FILE)
            self.consumed = json.loads(saved.read_text(encoding="utf-8"))
        return super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)


class WritingTrainer(_Exact, SFTTrainer):
    """Learns the answer's tokens and the end of the turn."""

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        return answer_losses(model, inputs, self._label_smoothing)


class ClassifyingTrainer(_Exact):
    """Learns a label, read off the model's ``score`` head."""

    def _losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, torch.Tensor]:
        return label_losses(model, inputs, self._label_smoothing)
