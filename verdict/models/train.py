"""Fine-tune an adapter with trl's SFTTrainer: loss on the answer only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peft import LoraConfig
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    ProcessorMixin,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from verdict.errors import VerdictError
from verdict.models.rows import training_rows
from verdict.params import Lora, ModelOptions, Train
from verdict.progress import Bar, progress
from verdict.records.conversations import Conversation
from verdict.records.shards import ImageStore


@dataclass(frozen=True)
class Training:
    """What came out of a training run.

    Attributes:
        model: the peft model, still on its device.
        log: one entry for every ``logging_steps`` steps: step, loss, learning_rate, grad_norm.
        steps: optimizer steps done.
        trainable, total: numbers of parameters.
    """

    model: Any
    log: list[dict[str, float]]
    steps: int
    trainable: int
    total: int

    def summary(self) -> dict[str, float]:
        """Return the headline numbers for ``metrics/train.json``."""
        return {
            "steps": self.steps,
            "first_loss": round(self.log[0]["loss"], 6),
            "last_loss": round(self.log[-1]["loss"], 6),
            "trainable_parameters": self.trainable,
            "trainable_share": round(self.trainable / self.total, 6),
        }


def train_adapter(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    images: ImageStore,
    *,
    options: Train,
    lora: Lora,
    model_options: ModelOptions,
    device: str,
) -> Training:
    """Train a LoRA adapter on ``model`` (quantized or not).

    Raises:
        VerdictError: the targets match no module, or the loss stops being finite.
    """
    with progress("train", unit="steps") as bar:
        trainer = _trainer(
            model,
            processor,
            training_rows(conversations, images),
            _arguments(options, model_options, device),
            _lora_config(lora),
            bar,
        )
        trainer.train()
    peft_model: Any = trainer.model
    log = [
        {key: entry[key] for key in ("step", "loss", "learning_rate", "grad_norm")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    trainable, total = peft_model.get_nb_trainable_parameters()
    return Training(peft_model, log, trainer.state.global_step, trainable, total)


def _trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    rows: Any,
    arguments: SFTConfig,
    lora_config: LoraConfig,
    bar: Bar,
) -> SFTTrainer:
    try:
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=processor,
            peft_config=lora_config,
            callbacks=[_Watch(bar)],
        )
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        raise VerdictError(
            f"lora.target_modules {lora_config.target_modules!r} matches no module of the base "
            "model; print its module names and mend the pattern"
        ) from None
    trainer.remove_callback(PrinterCallback)
    trainable_model: Any = trainer.model
    # trl casts the adapter of a quantized model to bfloat16, where small updates vanish; the
    # weights that learn are held in float32, and autocast does the arithmetic in model.dtype.
    for parameter in trainable_model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return trainer


def _arguments(options: Train, model_options: ModelOptions, device: str) -> SFTConfig:
    return SFTConfig(
        # Nothing is saved here: the caller saves the adapter once, at the end.
        output_dir=".checkpoints",
        save_strategy="no",
        learning_rate=options.learning_rate,
        lr_scheduler_type=options.lr_scheduler_type,
        warmup_steps=options.warmup_steps,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        num_train_epochs=options.num_train_epochs,
        max_steps=options.max_steps or -1,
        per_device_train_batch_size=options.per_device_train_batch_size,
        gradient_accumulation_steps=options.gradient_accumulation_steps,
        # The newer name of transformers' gradient_checkpointing.
        activation_checkpointing=options.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        optim=_optimizer(options.optim, device),
        logging_steps=options.logging_steps,
        # The default hides a loss that is not finite behind the average of the others.
        logging_nan_inf_filter=False,
        seed=options.seed,
        data_seed=options.seed,
        bf16=model_options.dtype == "bfloat16",
        use_cpu=device == "cpu",
        # A cut row loses image tokens or its answer, silently.
        max_length=None,
        completion_only_loss=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device != "cpu",
        report_to="none",
        disable_tqdm=True,
    )


def _optimizer(name: str, device: str) -> str:
    if name == "paged_adamw_8bit" and device == "cpu":
        print("train: paged_adamw_8bit needs a GPU; on this CPU adamw_torch is used instead")
        return "adamw_torch"
    return name


def _lora_config(lora: Lora) -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=lora.target_modules,
        modules_to_save=lora.modules_to_save or None,
    )


class _Watch(TrainerCallback):
    """Shows step and loss, and stops a run whose loss is no longer finite."""

    def __init__(self, bar: Bar):
        self._bar = bar
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._bar.set_total(state.max_steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._bar.advance(1, self._loss)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise VerdictError(
                f"the loss is {loss} at step {state.global_step}; no adapter is published. "
                "Lower train.learning_rate, or look for damaged rows"
            )
        self._loss = f"loss {loss:.4f}"
