"""From the parameters to transformers' TrainingArguments."""

import importlib.util
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from trl import SFTConfig

from verdict.core.errors import VerdictError
from verdict.params.training import ModelOptions, Train

#: Parameters that TrainingArguments takes under the same name.
_SAME = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "num_train_epochs",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "use_liger_kernel",
    "torch_compile",
    "dataloader_num_workers",
    "eval_strategy",
    "eval_steps",
    "save_strategy",
    "save_steps",
    "load_best_model_at_end",
    "seed",
    "deepspeed",
)
#: What an optimizer is replaced by: one needs CUDA, the other takes square roots on a CPU that
#: differ from one maker's processors to another's (see ``verdict.reproducibility``).
_REPLACED = {
    "cpu": {"paged_adamw_8bit": "adamw_torch_fused", "adamw_torch": "adamw_torch_fused"},
    "mps": {"paged_adamw_8bit": "adamw_torch_fused"},
}


def training_arguments(
    options: Train, model_options: ModelOptions, checkpoints: Path, device: str
) -> TrainingArguments:
    """Return the arguments of a run that writes its checkpoints into the given folder.

    They are trl's SFTConfig for ``model.task: generate`` and plain ones for ``classify``.

    Raises:
        VerdictError: an option that this machine cannot follow.
    """
    _check_machine(options, device)
    shared: dict[str, Any] = {
        **{name: getattr(options, name) for name in _SAME},
        "output_dir": str(checkpoints),
        # The best weights are kept beside the newest and the one before.
        "save_total_limit": options.save_total_limit + options.load_best_model_at_end,
        "max_steps": options.max_steps or -1,
        "optim": optimizer_for(options.optim, device),
        # The newer name of transformers' gradient_checkpointing.
        "activation_checkpointing": options.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        # Every step, so that a run resumed at any of them has lost no part of an average; what is
        # shown and kept is averaged over logging_steps.
        "logging_steps": 1,
        # The default hides a loss that is not finite behind the average of the others.
        "logging_nan_inf_filter": False,
        "metric_for_best_model": "eval_loss" if options.load_best_model_at_end else None,
        "greater_is_better": False if options.load_best_model_at_end else None,
        "bf16": model_options.dtype == "bfloat16",
        "use_cpu": device == "cpu",
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "prediction_loss_only": True,
        "dataloader_pin_memory": device == "cuda",
        # The pre-flight has shown that all that learns gets a gradient; looking for what does not
        # takes another pass every step.
        "ddp_find_unused_parameters": False,
        "report_to": "none",
        "disable_tqdm": True,
    }
    if options.fsdp:
        wrapped = options.fsdp_transformer_layer_cls_to_wrap
        shared["fsdp"] = True
        shared["fsdp_config"] = {"transformer_layer_cls_to_wrap": [wrapped]} if wrapped else {}
    if model_options.task == "classify":
        arguments = TrainingArguments(**shared)
    else:
        arguments = SFTConfig(max_length=None, completion_only_loss=True, **shared)
    if options.launcher == "none" and arguments.n_gpu > 1:
        # Otherwise the batch would grow with the number of GPUs that happen to be visible.
        arguments._n_gpu = 1
    return arguments


def _check_machine(options: Train, device: str) -> None:
    for name in ("use_liger_kernel", "torch_compile"):
        if getattr(options, name) and device != "cuda":
            needed = "a GPU; on a CPU" if device == "cpu" else "CUDA; on Apple's GPU"
            raise VerdictError(f"train.{name} needs {needed} set train.{name}=false")
    for name, package in (("use_liger_kernel", "liger_kernel"), ("deepspeed", "deepspeed")):
        if getattr(options, name) and importlib.util.find_spec(package) is None:
            raise VerdictError(
                f"train.{name} needs the package {package}, which is not installed; "
                "requirements-gpu.txt has what GPU machines may add"
            )


def optimizer_for(name: str, device: str) -> str:
    """Return the optimizer that this device can run in place of the wanted one."""
    return _REPLACED.get(device, {}).get(name, name)
