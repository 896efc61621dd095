"""Decide what learns: adapters over a frozen base, or the weights themselves, part by part."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from torch import nn
from transformers import PreTrainedModel

from verdict.core.errors import VerdictError
from verdict.params.training import Lora, Train

#: For each part of a model a pattern for the dotted names of its modules and parameters; the first
#: found decides. transformers names them alike in the families that recipes use: Gemma 3 and
#: MedGemma (``vision_tower``, ``multi_modal_projector``, ``language_model``), Gemma 3n and Gemma 4
#: (also ``audio_tower``, ``embed_vision``, ``embed_audio``), Qwen2.5-VL (``visual``, whose
#: ``merger`` projects), and text-only Gemma (no prefix at all).
_PATTERNS = {
    "head": r"(^|\.)(lm_head|score)(\.|$)",
    "projector": (
        r"(^|\.)(multi_modal_projector|embed_vision|embed_audio|visual\.\w*merger\w*)(\.|$)"
    ),
    "vision_tower": r"(^|\.)(vision_tower|visual)(\.|$)",
    "audio_tower": r"(^|\.)audio_tower(\.|$)",
    "embeddings": r"(^|\.)embed_tokens(_per_layer)?(\.|$)",
}

#: Everything else belongs to the language model.
PARTS = (*_PATTERNS, "language_model")

ALL_LINEAR = "all-linear"
#: The new head of a classifier; always trained whole and saved.
HEAD = "score"
#: The parts that turn images or sound into vectors.
TOWERS = ("vision_tower", "audio_tower")
#: What the linear layer is called inside of a module that clips what goes in and out (Gemma 4's
#: vision and audio towers).
WRAPPED = "linear"
_PEFT_PREFIX = "base_model.model."


def part_of(name: str) -> str:
    """Return the part of the model (one of ``PARTS``) that a module or parameter belongs to."""
    for part, pattern in _PATTERNS.items():
        if re.search(pattern, name):
            return part
    return "language_model"


def make_trainable(model: PreTrainedModel, train: Train, lora: Lora) -> Any:
    """Return the model with exactly those weights trainable that the parameters ask for.

    With ``train.method: lora`` the result is a peft model whose base is frozen; with ``full`` it is
    the model itself. Whatever learns is held in float32, where small updates do not vanish;
    autocast does the arithmetic in ``model.dtype``.

    Raises:
        VerdictError: targets that match nothing or reach into a frozen part, modules that cannot be
            saved, or nothing left to learn.
    """
    if train.method == "full":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(part_of(name) not in train.freeze)
        adapted: Any = model
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise VerdictError("train.freeze leaves nothing to learn; take a part out of it")
    else:
        adapted = get_peft_model(model, lora_config(model, train, lora))
    hold_in_float32(adapted)
    _spare_frozen_towers(adapted)
    return adapted


def count_parameters(model: Any) -> tuple[dict[str, int], int]:
    """Return the numbers of trainable parameters by part of the model, and of all parameters."""
    trainable: Counter[str] = Counter()
    total = 0
    for name, parameter in model.named_parameters():
        # A 4-bit weight packs two numbers into one element.
        total += parameter.numel() * (2 if type(parameter).__name__ == "Params4bit" else 1)
        if parameter.requires_grad:
            trainable[part_of(name)] += parameter.numel()
    return dict(sorted(trainable.items())), total


def _spare_frozen_towers(model: Any) -> None:
    """Run towers in which nothing learns without a graph.

    Gradient checkpointing makes transformers and trl ask for gradients at every embedding, those of
    the image patches included; then a frozen tower would be computed a second time and passed
    backwards for nothing, which doubles the arithmetic of a training step of Gemma 3 4B.
    """
    towers = [
        module
        for name, module in model.named_modules()
        if part_of(name) in TOWERS and part_of(name.rpartition(".")[0]) not in TOWERS
    ]
    for tower in towers:
        if not any(parameter.requires_grad for parameter in tower.parameters()):
            tower.forward = torch.no_grad()(tower.forward)


def hold_in_float32(model: Any) -> None:
    """Cast what learns to float32; trl casts adapters of a quantized model to bfloat16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def lora_config(model: PreTrainedModel, train: Train, lora: Lora) -> LoraConfig:
    """Return peft's configuration, its targets checked against the model's module names."""
    classifier = hasattr(model, HEAD)
    _check_saved(model, lora.modules_to_save)
    _check_targets(model, train, lora)
    return LoraConfig(
        task_type=TaskType.SEQ_CLS if classifier else TaskType.CAUSAL_LM,
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=_targets(model, lora),
        exclude_modules=_excluded(model, train, lora),
        # A copy: peft appends a classifier's head to the list that it is given.
        modules_to_save=list(lora.modules_to_save) or None,
        use_dora=lora.use_dora,
        use_rslora=lora.use_rslora,
    )


def _targets(model: PreTrainedModel, lora: Lora) -> str | list[str]:
    """Return what peft shall adapt; of a layer that is wrapped, what is inside."""
    targets = lora.target_modules
    if isinstance(targets, str) or not any(_named_by(n, targets) for n in _wrappers(model)):
        return targets
    return [*targets, *(f"{target}.{WRAPPED}" for target in targets)]


def _excluded(model: PreTrainedModel, train: Train, lora: Lora) -> list[str] | str | None:
    """Return what peft shall leave out: the user's exclusions, and every module that is frozen.

    A regular expression says itself where it reaches (``_check_targets`` sees that it does not
    reach further), so nothing is added to it.
    """
    if _is_pattern(lora.target_modules):
        return lora.exclude_modules or None
    names = _linear_names(model)
    excluded = [name for name in names if part_of(name) in train.freeze or _excludes(lora, name)]
    if isinstance(lora.target_modules, list):
        excluded += [n for n in _wrappers(model) if _named_by(n, lora.target_modules)]
    return excluded or None


def _excludes(lora: Lora, name: str) -> bool:
    return any(_named_by(known, lora.exclude_modules) for known in _names(name))


def _check_targets(model: PreTrainedModel, train: Train, lora: Lora) -> None:
    if isinstance(lora.exclude_modules, str) and not _compiles(lora.exclude_modules):
        raise VerdictError(f"lora.exclude_modules is no regular expression: {lora.exclude_modules}")
    names = [name for name in _linear_names(model) if not _excludes(lora, name)]
    if lora.target_modules == ALL_LINEAR:
        matched = names
    elif isinstance(lora.target_modules, str):
        if not _compiles(lora.target_modules):
            raise VerdictError(
                f"lora.target_modules is no regular expression: {lora.target_modules}"
            )
        if wrapped := [n for n in _wrappers(model) if re.fullmatch(lora.target_modules, n)]:
            raise VerdictError(
                f"lora.target_modules reaches {wrapped[0]}, which is no linear layer but holds "
                f"one: let the expression end there in \\.{WRAPPED}, or not reach it"
            )
        matched = [name for name in names if re.fullmatch(lora.target_modules, name)]
        for name in matched:
            if part_of(name) in train.freeze:
                raise VerdictError(
                    f"lora.target_modules reaches {name}, but train.freeze names "
                    f"{part_of(name)}; narrow the expression, or take the part out of train.freeze"
                )
    else:
        for target in lora.target_modules:
            if not any(_named_by(known, [target]) for name in names for known in _names(name)):
                raise VerdictError(
                    f"lora.target_modules names {target!r}, but no linear layer of the model is "
                    f"called so; {_layer_names(model)}"
                )
        matched = [
            name
            for name in names
            if any(_named_by(known, lora.target_modules) for known in _names(name))
        ]
    if not [name for name in matched if part_of(name) not in train.freeze]:
        raise VerdictError(
            f"lora.target_modules {lora.target_modules!r} matches no module of the base model "
            f"outside of train.freeze; {_layer_names(model)}"
        )


def _check_saved(model: PreTrainedModel, save: Sequence[str]) -> None:
    names = [name for name, _ in model.named_modules()]
    tied = getattr(model.config.get_text_config(), "tie_word_embeddings", False)
    for module in save:
        if not any(_named_by(name, [module]) for name in names):
            raise VerdictError(
                f"lora.modules_to_save names {module!r}, but no module of the model is called so; "
                f"{_layer_names(model)}"
            )
        if module in ("lm_head", "embed_tokens") and tied:
            raise VerdictError(
                f"lora.modules_to_save names {module}, which this model shares between input and "
                "output embeddings: a copy would learn apart from its twin, and double the largest "
                "matrix. Leave it out; adapters on the layers learn the task"
            )


def _linear_names(model: PreTrainedModel) -> list[str]:
    """Return the names of all linear layers but the heads (4-bit ones are nn.Linear too)."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and part_of(name) != "head"
    ]


def _wrappers(model: PreTrainedModel) -> list[str]:
    """Return the names of modules that peft would take for the linear layers that they hold."""
    return [
        name.removesuffix(f".{WRAPPED}")
        for name in _linear_names(model)
        if name.endswith(f".{WRAPPED}")
    ]


def _names(name: str) -> list[str]:
    """Return the names by which a linear layer may be called: its own, and its wrapper's."""
    return [name, name.removesuffix(f".{WRAPPED}")]


def _layer_names(model: PreTrainedModel) -> str:
    last = sorted({_names(name)[1].rpartition(".")[2] for name in _linear_names(model)})
    example = next(iter(_linear_names(model)), "")
    return f"its linear layers are {', '.join(last)}, in full such as {example}"


def _named_by(name: str, wanted: str | Sequence[str] | None) -> bool:
    """Say whether peft would take ``name``: a full match of an expression, or the end of a name."""
    if not wanted:
        return False
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return any(name == suffix or name.endswith(f".{suffix}") for suffix in wanted)


def _is_pattern(targets: str | list[str]) -> bool:
    return isinstance(targets, str) and targets != ALL_LINEAR


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


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
