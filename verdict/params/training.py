"""The sections of ``params.yaml`` that decide how a model is held and how it learns."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from verdict.params.section import Positive, Section, Seed, Text

Part = Literal["embeddings", "projector", "vision_tower", "audio_tower", "language_model"]


def _refuse_float16(value: Any) -> Any:
    if value in ("float16", "fp16", "half"):
        raise ValueError(
            "float16 is refused: Gemma 3's activations overflow it; "
            "use bfloat16 (GPU) or float32 (CPU)"
        )
    return value


Strategy = Literal["no", "steps", "epoch"]


class ModelOptions(Section):
    """What the model does, and how weights are held and attended to."""

    task: Literal["generate", "classify"]
    dtype: Annotated[Literal["bfloat16", "float32"], BeforeValidator(_refuse_float16)]
    attn_implementation: Literal["sdpa", "eager"]
    cache_vision_features: bool


class Quantization(Section):
    """4-bit weights during training (QLoRA), by bitsandbytes."""

    load_in_4bit: bool
    bnb_4bit_quant_type: Literal["nf4", "fp4"]
    bnb_4bit_use_double_quant: bool


class Lora(Section):
    """The adapter; the names are peft's."""

    r: Positive
    lora_alpha: Positive
    lora_dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: Text | Annotated[list[Text], Field(min_length=1)]
    exclude_modules: Text | list[Text] | None
    modules_to_save: list[Text]
    use_dora: bool
    use_rslora: bool


class Train(Section):
    """Training; but for ``method``, ``freeze``, ``class_imbalance`` and the launcher, the names are
    transformers'."""

    method: Literal["lora", "full"]
    freeze: list[Part]
    class_imbalance: Literal["none", "undersample", "oversample", "weighted_loss"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    label_smoothing_factor: Annotated[float, Field(ge=0, lt=1)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    num_train_epochs: Annotated[float, Field(gt=0)]
    max_steps: Annotated[int, Field(ge=1)] | None
    per_device_train_batch_size: Positive
    per_device_eval_batch_size: Positive
    gradient_accumulation_steps: Positive
    gradient_checkpointing: bool
    optim: Literal["adamw_torch", "adamw_torch_fused", "paged_adamw_8bit"]
    use_liger_kernel: bool
    torch_compile: bool
    dataloader_num_workers: Annotated[int, Field(ge=0, le=64)]
    logging_steps: Positive
    eval_strategy: Strategy
    eval_steps: Positive
    save_strategy: Strategy
    save_steps: Positive
    save_total_limit: Annotated[int, Field(ge=2)]
    load_best_model_at_end: bool
    early_stopping_patience: Positive | None
    seed: Seed
    launcher: Literal["none", "torchrun", "accelerate"]
    num_processes: Positive
    launcher_args: list[Text]
    fsdp: bool
    fsdp_transformer_layer_cls_to_wrap: Text | None
    deepspeed: dict[str, Any] | None

    @model_validator(mode="after")
    def _strategies_agree(self) -> Self:
        if self.load_best_model_at_end and "no" in (self.eval_strategy, self.save_strategy):
            raise ValueError(
                "load_best_model_at_end needs eval_strategy and save_strategy: steps or epoch"
            )
        if self.load_best_model_at_end and self.eval_strategy != self.save_strategy:
            raise ValueError(
                f"load_best_model_at_end needs the same eval_strategy ({self.eval_strategy}) and "
                f"save_strategy ({self.save_strategy})"
            )
        if (
            self.load_best_model_at_end
            and self.save_strategy == "steps"
            and self.save_steps != self.eval_steps
        ):
            raise ValueError(
                f"load_best_model_at_end needs save_steps ({self.save_steps}) to be eval_steps "
                f"({self.eval_steps}); otherwise the best weights might not have been saved"
            )
        if self.early_stopping_patience is not None and not self.load_best_model_at_end:
            raise ValueError(
                "early_stopping_patience needs load_best_model_at_end: true; without it the last "
                "weights would be kept, not the best"
            )
        if self.launcher == "none" and self.num_processes > 1:
            raise ValueError(
                f"num_processes is {self.num_processes}, but launcher is none; set launcher to "
                "torchrun or accelerate"
            )
        if self.fsdp and self.deepspeed:
            raise ValueError(
                "fsdp and deepspeed exclude each other; set fsdp: false or deepspeed: null"
            )
        for argument in self.launcher_args:
            if argument.replace("-", "_").startswith("__config_file"):
                raise ValueError(
                    "launcher_args names a configuration file, whose content would decide the "
                    "result unseen by DVC; write its options here instead, one an entry"
                )
        return self
