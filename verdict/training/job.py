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
from verdict.params.training import Lora, ModelOptions, Train
from verdict.records.shards import ImageStore
from verdict.reproducibility import seed_everything
from verdict.runtime.batch_processes import ending
from verdict.runtime.progress import progress
from verdict.runtime.resume import newest_checkpoint
from verdict.runtime.signals import heed_signals
from verdict.training.adaptation import count_parameters, hold_in_float32, make_trainable
from verdict.training.arguments import optimizer_for, training_arguments
from verdict.training.preflight import Preflight, run_preflight
from verdict.training.rows import Collator, Selection, select_rows, training_rows
from verdict.training.trainer import (
    ClassifyingTrainer,
    ExactTrainer,
    SaveAfterEvaluation,
    WritingTrainer,
)
from verdict.training.vision_features import VisionFeatures
from verdict.training.watch import Watch, evaluation_curve, loss_curve


@dataclass(frozen=True)
class TrainingJob:
    """What is learned, from what, and how.

    Attributes:
        labels: a classifier's labels in the order of its outputs; None for a model that writes.
        checkpoints: the folder of this run's checkpoints.
        device: ``cpu``, ``cuda`` or ``mps``.
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
class TrainingResult:
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
        by_part, total = count_parameters(self.model)
        trainable = sum(by_part.values())
        summary: dict[str, Any] = {
            "steps": self.steps,
            "first_loss": round(self.log[0]["loss"], 6),
            "last_loss": round(self.log[-1]["loss"], 6),
            "trainable_parameters": trainable,
            "trainable_share": round(trainable / total, 6),
            "rows": sum(self.selection.after.values()),
        }
        if self.evaluations:
            summary["best_eval_loss"] = round(min(e["eval_loss"] for e in self.evaluations), 6)
        return summary


def train_model(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    job: TrainingJob,
    *,
    on_preflight: Callable[[Preflight], None] = lambda _: None,
    on_point: Callable[[int, dict[str, float]], None] = lambda *_: None,
) -> TrainingResult:
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
        watch = Watch(bar, wish, every=job.train.logging_steps, on_point=on_point)
        trainer = build_trainer(model, processor, job, [watch])
        checks = run_preflight(
            trainer,
            processor,
            job.train_conversations,
            train=job.train,
            lora=job.lora,
            model_options=job.model,
        )
        on_preflight(checks)
        if job.model.cache_vision_features:
            _cache_vision_features(trainer, processor, job)
        # Whatever ran before, dropout and the like start from the seed.
        seed_everything(job.train.seed)
        checkpoint = newest_checkpoint(job.checkpoints)
        if checkpoint is not None and trainer.is_world_process_zero():
            print(f"train: resuming from {checkpoint}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        # Sharded weights are gathered by all processes together.
        sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        wrapped = trainer.model_wrapped
        state_dict = trainer.accelerator.get_state_dict(wrapped) if sharded else None
    history = trainer.state.log_history
    return TrainingResult(
        model=trainer.accelerator.unwrap_model(trainer.model),
        state_dict=state_dict,
        log=loss_curve(history, job.train.logging_steps),
        evaluations=evaluation_curve(history),
        steps=trainer.state.global_step,
        selection=job.selection,
        consumed=[
            [job.train_conversations[position].id for position in batch]
            for batch in trainer.consumed
        ],
        preflight=checks,
        is_main=trainer.is_world_process_zero(),
    )


def build_trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    job: TrainingJob,
    callbacks: Sequence[TrainerCallback] = (),
) -> ExactTrainer:
    """Return the trainer of a task, its model made trainable; nothing has run yet."""
    _note_replaced_optimizer(job)
    arguments = training_arguments(job.train, job.model, job.checkpoints, job.device)
    padding = _training_padding(job, arguments.world_size)
    options: dict[str, Any] = {
        "model": make_trainable(model, job.train, job.lora),
        "args": arguments,
        "train_dataset": training_rows(
            job.train_conversations, job.images, job.selection, padding=padding
        ),
        "padding": padding,
        # By the trainers' own losses: trl's takes a second forward pass for it.
        "label_smoothing": job.train.label_smoothing_factor,
        "eval_dataset": _validation_rows(job, arguments.world_size),
        "processing_class": processor,
        "data_collator": Collator(processor, job.labels),
        "callbacks": [*callbacks, *_early_stopping(job.train), SaveAfterEvaluation()],
    }
    trainer: ExactTrainer = (
        ClassifyingTrainer(**options) if job.model.task == "classify" else WritingTrainer(**options)
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


def _training_padding(job: TrainingJob, processes: int) -> int:
    rows = len(job.selection.positions)
    return _padding(rows, job.train.per_device_train_batch_size, processes)


def _validation_rows(job: TrainingJob, processes: int) -> Any:
    if job.train.eval_strategy == "no":
        return None
    if not job.validation_conversations:
        raise VerdictError("train.eval_strategy needs a validation split, which is empty")
    rows = job.validation_conversations
    padding = _padding(len(rows), job.train.per_device_eval_batch_size, processes)
    return training_rows(rows, job.images, padding=padding)


def _early_stopping(train: Train) -> list[TrainerCallback]:
    if train.early_stopping_patience is None:
        return []
    return [EarlyStoppingCallback(train.early_stopping_patience)]


def _note_replaced_optimizer(job: TrainingJob) -> None:
    used = optimizer_for(job.train.optim, job.device)
    if used != job.train.optim:
        needed = "for GPUs; on this CPU" if job.device == "cpu" else "for CUDA; on Apple's GPU"
        print(f"train: {job.train.optim} is {needed} {used} is used instead")


def _cache_vision_features(
    trainer: ExactTrainer, processor: ProcessorMixin, job: TrainingJob
) -> None:
    """Compute the training images' features, and let rows come without pixels from now on."""
    # The first process computes and writes; the others then find the file.
    with trainer.accelerator.main_process_first():
        trainer.vision = VisionFeatures.compute(
            trainer.model,
            processor,
            job.train_conversations,
            job.selection.positions,
            job.images,
            job.checkpoints,
            batch_size=job.train.per_device_eval_batch_size,
            workers=job.train.dataloader_num_workers,
            device=job.device,
        )
    trainer.train_dataset = training_rows(
        job.train_conversations,
        job.images,
        job.selection,
        blank_images=True,
        padding=_training_padding(job, trainer.args.world_size),
    )
