"""Pre-flight of the weights: which ones learn, in which part of the model, in which precision."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper

from verdict.core.errors import VerdictError
from verdict.models.adapt import HEAD
from verdict.models.parts import part_of
from verdict.models.preflight_text import Check, Trainer
from verdict.models.trainer import ClassifyingTrainer
from verdict.params.training import Lora, Train

_PEFT_PREFIX = "base_model.model."


def check_modules(trainer: Trainer, train: Train, lora: Lora) -> Check:
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


def check_trainable(trainer: Trainer, train: Train) -> Check:
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
    by_part: Counter[str] = Counter()
    for name, parameter in trainable.items():
        by_part[part_of(name)] += parameter.numel()
    # A 4-bit weight packs two numbers into one element.
    total = sum(
        parameter.numel() * (2 if type(parameter).__name__ == "Params4bit" else 1)
        for parameter in model.parameters()
    )
    share = by_part.total() / total
    parts = dict(sorted(by_part.items()))
    return Check(
        "trainable",
        f"{100 * share:.2f} % of {total:,} parameters: {_listed(parts)}",
        {"by_part": parts, "trainable": by_part.total(), "total": total, "share": share},
    )


def check_dtypes(trainer: Trainer) -> Check:
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


def adapter_modules(model: Any) -> dict[str, Any]:
    """Return the modules that carry an adapter, by their name in the base model."""
    return {
        name: module
        for name, module in named(model.named_modules())
        if isinstance(module, LoraLayer) and (module.lora_A or module.lora_embedding_A)
    }


def saved_modules(model: Any) -> dict[str, Any]:
    """Return the modules that are trained whole beside an adapter."""
    return {
        name: module
        for name, module in named(model.named_modules())
        if isinstance(module, ModulesToSaveWrapper)
    }


def named(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Yield modules or parameters under their names in the base model."""
    for name, item in items:
        yield name.removeprefix(_PEFT_PREFIX), item


def some(names: Iterable[str]) -> str:
    """Name the first three and say how many more there are."""
    names = list(names)
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


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
