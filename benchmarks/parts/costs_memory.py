"""The bytes of a model's weights, gradients and optimizer, and of a cache of keys and values."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from transformers.quantizers.quantizers_utils import should_convert_module

from verdict.models.load import NOT_QUANTIZED
from verdict.training.adaptation import part_of

#: NF4 with double quantization (Dettmers et al. 2023): half a byte a weight, a byte a block of 64,
#: and four bytes for 256 such blocks.
FOUR_BIT = 1 / 2 + 1 / 64 + 4 / (64 * 256)
#: bitsandbytes keeps the states of smaller weights in 32 bits; larger ones in blocks of 256.
_SMALLEST, _BLOCK = 4096, 256


def quantized_weights(model: nn.Module) -> set[torch.Tensor]:
    """Return the weights that bitsandbytes holds in 4 bits when the project loads the model."""
    return {
        module.weight
        for name, module in model.named_modules()
        if type(module) is nn.Linear and should_convert_module(name, NOT_QUANTIZED)
    }


def weight_bytes(model: nn.Module, quantized: set[torch.Tensor]) -> float:
    """Return the bytes of all weights, each in its own type, some in 4 bits."""
    return sum(
        parameter.numel() * (FOUR_BIT if parameter in quantized else parameter.itemsize)
        for parameter in model.parameters()
    )


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return what learns."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def gradient_bytes(parameters: Iterable[nn.Parameter]) -> int:
    """Return the bytes of all gradients, in the weights' own types."""
    return sum(parameter.nbytes for parameter in parameters)


def optimizer_bytes(parameters: Iterable[nn.Parameter], optim: str) -> float:
    """Return the bytes of Adam's two averages a weight, in the weights' type or in 8 bits."""
    size = 0.0
    for parameter in parameters:
        if "8bit" in optim and parameter.numel() >= _SMALLEST:
            size += 2 * (parameter.numel() + 4 * -(-parameter.numel() // _BLOCK))
        else:
            size += 2 * parameter.nbytes
    return size


def cache_bytes(config: Any, tokens: int, itemsize: int = 2) -> int:
    """Return the bytes of one row's keys and values in generation.

    Args:
        config: of the language model.
        tokens: of the prompt and the answer.
        itemsize: bytes a number.
    """
    shared = getattr(config, "num_kv_shared_layers", 0)
    kinds = config.layer_types[: len(config.layer_types) - shared]
    kept = sum(
        min(tokens, config.sliding_window - 1) if "sliding" in kind else tokens for kind in kinds
    )
    return 2 * kept * config.num_key_value_heads * config.head_dim * itemsize


def decoded_bytes(model: nn.Module) -> int:
    """Return the bytes of the weights that each generated token reads.

    That is the language model and its head, which is the table of embeddings where the two are
    shared; neither the towers nor Gemma 3n's embeddings by layer, of which a token takes one row.
    """
    return sum(
        parameter.nbytes
        for name, parameter in model.named_parameters()
        if part_of(name) in ("language_model", "head") or name.endswith("embed_tokens.weight")
    )
