"""Fine-tune a model on conversations: adapters or all weights, writing or classifying."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    ProcessorMixin,
    TrainerCallback,
)

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.core.progress import progress
from verdict.models.adapt import hold_in_float32, make_trainable
from verdict.models.arguments import optimizer_for, training_arguments
from verdict.models.balance import Selection, select_rows
from verdict.models.batch_processes import ending
from verdict.models.checkpoints import newest_complete
from verdict.models.collate import Collator
from verdict.models.parts import part_of
from verdict.models.preflight import Preflight, run_preflight
from verdict.models.rows import training_rows
from verdict.models.trainer import ClassifyingTrainer, SaveAfterEvaluation, WritingTrainer
from verdict.models.vision_features import VisionFeatures
from verdict.models.watch import Watch, evaluation_curve, heed_signals, loss_curve
from verdict.params.training import Lora, ModelOptions, Train
from verdict.records.shards import ImageStore
from verdict.reproducibility import seed_everything

Trainer = WritingTrainer | ClassifyingTrainer


@dataclass(frozen=True)
class Task:
    """What is learned, from what, and how.

    Attributes:
        labels: a classifier's labels in the order of its outputs; None for a model that writes.
        checkpoints: the folder of this run's checkpoints.
        device: ``cpu`` or ``cuda``.
    """

    train_conversations: Sequence[Conversation]
    validation_conversations: Sequence[Conversation]
    images: ImageStore
    labels: Sequence[str] | None
    train: Train
    lora: Lora
    model: ModelOptions
    checkpoints: Path
    device: str

    @functools.cached_property
    def selection(self) -> Selection:
        """The training rows after ``train.class_imbalance``."""
        return select_rows(
            [row.label for row in self.train_conversations],
            self.train.class_imbalance,
            self.train.seed,
        )


@dataclass(frozen=True)
class Training:
    """What came out of a training run.

    Attributes:
        model: the trained (peft) model, still on its device.
        state_dict: its weights where the model itself holds only a shard of them.
        log: the loss curve: step, loss (mean over ``logging_steps``), learning_rate, grad_norm.
        evaluations: step and eval_loss of every evaluation.
        steps: optimizer steps done.
        consumed: ids of the records of each forward pass, in order.
        is_main: whether this process writes the results.
    """

    model: Any
    state_dict: dict[str, Any] | None
    log: list[dict[str, float]]
    evaluations: list[dict[str, float]]
    steps: int
    selection: Selection
    consumed: list[list[str]]
    preflight: Preflight
    is_main: bool

    def summary(self) -> dict[str, Any]:
        """Return the headline numbers for ``metrics/train.json``."""
        trainable: dict[str, int] = {}
        total = 0
        for name, parameter in self.model.named_parameters():
            # A 4-bit weight packs two numbers into one element.
            total += parameter.numel() * (2 if parameter.__class__.__name__ == "Params4bit" else 1)
            if parameter.requires_grad:
                part = part_of(name)
                trainable[part] = trainable.get(part, 0) + parameter.numel()
        summary: dict[str, Any] = {
            "steps": self.steps,
            "first_loss": round(self.log[0]["loss"], 6),
            "last_loss": round(self.log[-1]["loss"], 6),
            "trainable_parameters": sum(trainable.values()),
            "trainable_share": round(sum(trainable.values()) / total, 6),
            "rows": sum(self.selection.after.values()),
        }
        if self.evaluations:
            summary["best_eval_loss"] = round(min(e["eval_loss"] for e in self.evaluations), 6)
        return summary


def train_model(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    task: Task,
    *,
    on_preflight: Callable[[Preflight], None] = lambda _: None,
    on_point: Callable[[int, dict[str, float]], None] = lambda *_: None,
) -> Training:
    """Prove what is going to be trained, then train; resume from the newest complete checkpoint.

    Args:
        model: the base (quantized or not), with a ``score`` head for a classifier.
        on_preflight: called when the checks before step 1 have passed.
        on_point: called with (step, values) for every point of the curves.

    Raises:
        VerdictError: a check before step 1 fails, the loss stops being finite, memory or disk run
            out, or the run was stopped.
    """
    with ending(), heed_signals() as wish, progress("train", unit="steps") as bar:
        watch = Watch(bar, wish, every=task.train.logging_steps, on_point=on_point)
        trainer = build_trainer(model, processor, task, [watch])
        checks = run_preflight(
            trainer,
            processor,
            task.train_conversations,
            train=task.train,
            lora=task.lora,
            model_options=task.model,
        )
        on_preflight(checks)
        if task.model.cache_vision_features:
            _cache_vision_features(trainer, processor, task)
        # Whatever ran before, dropout and the like start from the seed.
        seed_everything(task.train.seed)
        checkpoint = newest_complete(task.checkpoints)
        if checkpoint is not None and trainer.is_world_process_zero():
            print(f"train: resuming from {checkpoint}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        # Sharded weights are gathered by all processes together.
        sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        wrapped = trainer.model_wrapped
        state_dict = trainer.accelerator.get_state_dict(wrapped) if sharded else None
    history = trainer.state.log_history
    return Training(
        model=trainer.accelerator.unwrap_model(trainer.model),
        state_dict=state_dict,
        log=loss_curve(history, task.train.logging_steps),
        evaluations=evaluation_curve(history),
        steps=trainer.state.global_step,
        selection=task.selection,
        consumed=[
            [task.train_conversations[position].id for position in batch]
            for batch in trainer.consumed
        ],
        preflight=checks,
        is_main=trainer.is_world_process_zero(),
    )


def build_trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    task: Task,
    callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """Return the trainer of a task, its model made trainable; nothing has run yet."""
    _note_replaced_optimizer(task)
    arguments = training_arguments(task.train, task.model, task.checkpoints, task.device)
    padding = _training_padding(task, arguments.world_size)
    options: dict[str, Any] = {
        "model": make_trainable(model, task.train, task.lora),
        "args": arguments,
        "train_dataset": training_rows(
            task.train_conversations, task.images, task.selection, padding=padding
        ),
        "padding": padding,
        # By the trainers' own losses: trl's takes a second forward pass for it.
        "label_smoothing": task.train.label_smoothing_factor,
        "eval_dataset": _validation_rows(task, arguments.world_size),
        "processing_class": processor,
        "data_collator": Collator(processor, task.labels),
        "callbacks": [*callbacks, *_early_stopping(task.train), SaveAfterEvaluation()],
    }
    trainer: Trainer = (
        ClassifyingTrainer(**options)
        if task.model.task == "classify"
        else WritingTrainer(**options)
    )
    trainer.remove_callback(PrinterCallback)
    hold_in_float32(trainer.model)
    return trainer


def _padding(rows: int, batch_size: int, processes: int) -> int:
    """Return how many rows fill up the last batch, so that each process has one of full size.

    accelerate would repeat rows from the epoch's beginning, which then count twice.
    """
    if processes == 1:
        return 0
    return -rows % (batch_size * processes)


def _training_padding(task: Task, processes: int) -> int:
    rows = len(task.selection.positions)
    return _padding(rows, task.train.per_device_train_batch_size, processes)


def _validation_rows(task: Task, processes: int) -> Any:
    if task.train.eval_strategy == "no":
        return None
    if not task.validation_conversations:
        raise VerdictError("train.eval_strategy needs a validation split, which is empty")
    rows = task.validation_conversations
    padding = _padding(len(rows), task.train.per_device_eval_batch_size, processes)
    return training_rows(rows, task.images, padding=padding)


def _early_stopping(train: Train) -> list[TrainerCallback]:
    if train.early_stopping_patience is None:
        return []
    return [EarlyStoppingCallback(train.early_stopping_patience)]


def _note_replaced_optimizer(task: Task) -> None:
    used = optimizer_for(task.train.optim, task.device)
    if used != task.train.optim:
        print(f"train: {task.train.optim} is for GPUs; on this CPU {used} is used instead")


def _cache_vision_features(trainer: Trainer, processor: ProcessorMixin, task: Task) -> None:
    """Compute the training images' features, and let rows come without pixels from now on."""
    # The first process computes and writes; the others then find the file.
    with trainer.accelerator.main_process_first():
        trainer.vision = VisionFeatures.compute(
            trainer.model,
            processor,
            task.train_conversations,
            task.selection.positions,
            task.images,
            task.checkpoints,
            batch_size=task.train.per_device_eval_batch_size,
            workers=task.train.dataloader_num_workers,
            device=task.device,
        )
    trainer.train_dataset = training_rows(
        task.train_conversations,
        task.images,
        task.selection,
        blank_images=True,
        padding=_training_padding(task, trainer.args.world_size),
    )
