"""Pre-flight: prove before step 1 what is going to be learned, by what, and that it can be kept.

Every check looks at the real rows and the real model, says what it saw, and leaves the trainer as
it was. The weights are checked here: which learn, in which part of the model, in which precision.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
from verdict.core.errors import VerdictError
from verdict.params.training import Lora, ModelOptions, Train
from verdict.training.adaptation import (
    HEAD,
    adapter_modules,
    count_parameters,
    named,
    part_of,
    saved_modules,
    some,
)
from verdict.training.preflight_form import Check, check_plain_form
from verdict.training.preflight_passes import check_batch, check_gradients, check_reload
from verdict.training.preflight_rows import Rows, check_rows
from verdict.training.trainer import ClassifyingTrainer, ExactTrainer


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
    trainer: ExactTrainer,
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
                *check_plain_form(rows),
                check_modules(trainer, train, lora),
                check_trainable(trainer, train),
                check_dtypes(trainer),
                check_gradients(rows),
                check_reload(rows),
                check_batch(rows, model_options),
            ]
        )


@contextmanager
def _untouched(trainer: ExactTrainer) -> Iterator[None]:
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


def check_modules(trainer: ExactTrainer, train: Train, lora: Lora) -> Check:
    """Check where adapters lie, and that what is to be saved whole is there.

    Raises:
        VerdictError: no adapter at all, one in a frozen part, or a module that is not saved.
    """
    if train.method == "full":
        return Check("modules", "no adapters: the weights themselves learn", {"method": "full"})
    adapters = adapter_modules(trainer.model)
    if not adapters:
        raise VerdictError(
            f"lora.target_modules {lora.target_modules!r} matches no module: nothing would learn"
        )
    outside = [name for name in adapters if part_of(name) in train.freeze]
    if outside:
        raise VerdictError(
            f"adapters lie in parts that train.freeze names ({_parts(outside)}): {some(outside)}; "
            "narrow lora.target_modules, or take the part out of train.freeze"
        )
    saved = list(saved_modules(trainer.model))
    wanted = [*lora.modules_to_save, *([HEAD] if isinstance(trainer, ClassifyingTrainer) else [])]
    for module in wanted:
        if not any(name == module or name.endswith(f".{module}") for name in saved):
            raise VerdictError(
                f"{module} is to be saved with the adapter (lora.modules_to_save), but is not: "
                "what it learns would be lost"
            )
    parts = _count(adapters)
    return Check(
        "modules",
        f"{len(adapters)} adapters ({_listed(parts)})" + (f", whole: {some(saved)}" * bool(saved)),
        {
            "method": "lora",
            "adapters": len(adapters),
            "adapters_by_part": parts,
            "saved_modules": sorted(saved),
        },
    )


def check_trainable(trainer: ExactTrainer, train: Train) -> Check:
    """Count trainable parameters by part.

    Raises:
        VerdictError: nothing learns, a frozen part does, or a weight of the base under an adapter.
    """
    model: Any = trainer.model
    trainable = {name: p for name, p in named(model.named_parameters()) if p.requires_grad}
    if not trainable:
        raise VerdictError("nothing would learn; see train.freeze and lora.target_modules")
    frozen = [name for name in trainable if part_of(name) in train.freeze]
    if frozen:
        raise VerdictError(
            f"train.freeze names {_parts(frozen)}, but these weights would learn: {some(frozen)}; "
            "take the part out of train.freeze, or the module out of lora.modules_to_save"
        )
    if train.method == "lora":
        stray = [n for n in trainable if ".lora_" not in n and ".modules_to_save." not in n]
        if stray:
            raise VerdictError(
                f"these weights of the base would learn, but not be saved: {some(stray)}; freeze "
                "them, or name their module in lora.modules_to_save"
            )
    parts, total = count_parameters(model)
    count = sum(parts.values())
    return Check(
        "trainable",
        f"{100 * count / total:.2f} % of {total:,} parameters: {_listed(parts)}",
        {"by_part": parts, "trainable": count, "total": total, "share": count / total},
    )


def check_dtypes(trainer: ExactTrainer) -> Check:
    """Check precisions: no float16 anywhere, float32 for what learns, a classifier's head exact.

    Raises:
        VerdictError: names the weights.
    """
    model: Any = trainer.model
    parameters = dict(named(model.named_parameters()))
    half = [name for name, parameter in parameters.items() if parameter.dtype is torch.float16]
    half += [
        name
        for name, module in named(model.named_modules())
        if getattr(module, "compute_dtype", None) is torch.float16
    ]
    if half:
        raise VerdictError(
            f"float16 is refused, Gemma 3's activations overflow it, but it is used by "
            f"{some(half)}; set model.dtype=bfloat16 (GPU) or float32 (CPU)"
        )
    if trainer.accelerator.mixed_precision == "fp16":
        raise VerdictError(
            "float16 is refused, Gemma 3's activations overflow it, but mixed precision is fp16 "
            "(ACCELERATE_MIXED_PRECISION or accelerate's own configuration); set it to bf16 or no"
        )
    if isinstance(trainer, ClassifyingTrainer):
        _check_head(parameters)
    coarse = [n for n, p in parameters.items() if p.requires_grad and p.dtype is not torch.float32]
    if coarse:
        raise VerdictError(
            f"what learns is to be held in float32, where small updates do not vanish, but "
            f"{some(coarse)} is {parameters[coarse[0]].dtype}"
        )
    frozen = sorted({_name(p.dtype) for p in parameters.values() if not p.requires_grad})
    return Check(
        "precision",
        f"float32 learns{', over ' + ' and '.join(frozen) if frozen else ''}; no float16",
        {"trainable": "float32", "frozen": frozen},
    )


def _check_head(parameters: dict[str, torch.nn.Parameter]) -> None:
    head = {n: p for n, p in parameters.items() if HEAD in n.split(".")}
    packed = [name for name, parameter in head.items() if not parameter.is_floating_point()]
    if packed:
        raise VerdictError(f"the classifier's head must not be quantized, but {some(packed)} is")
    if not any(parameter.requires_grad for parameter in head.values()):
        raise VerdictError(
            f"the classifier's new head ({HEAD}) would not learn: it would stay random"
        )


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(part_of(name) for name in names).items()))


def _listed(parts: dict[str, int]) -> str:
    return ", ".join(f"{part} {count:,}" for part, count in parts.items())


def _parts(names: Iterable[str]) -> str:
    return ", ".join(_count(names))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
