"""Gemma 3 from its configuration alone: random weights, and random rows in the collator's form."""

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import (
    AutoModelForImageTextToText,
    Gemma3Config,
    Gemma3TextConfig,
    SiglipVisionConfig,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

#: Pixels a side of a stored picture; tokens before the picture, after it, and of the answer.
STORED, BEFORE, AFTER, ANSWER = 512, 22, 70, 12


def gemma3_4b_config() -> Gemma3Config:
    """Return the published sizes of google/gemma-3-4b."""
    return Gemma3Config(
        text_config=Gemma3TextConfig(
            vocab_size=262_208,
            hidden_size=2560,
            intermediate_size=10_240,
            num_hidden_layers=34,
            num_attention_heads=8,
            num_key_value_heads=4,
            head_dim=256,
            query_pre_attn_scalar=256,
            sliding_window=1024,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            image_size=896,
            patch_size=14,
            vision_use_head=False,
        ),
        mm_tokens_per_image=256,
        boi_token_index=255_999,
        eoi_token_index=256_000,
        image_token_index=262_144,
    )


def tiny_config() -> Gemma3Config:
    """Return the same architecture, small enough for a CPU."""
    return Gemma3Config(
        text_config=Gemma3TextConfig(
            vocab_size=512,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            query_pre_attn_scalar=32,
            sliding_window=1024,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=64,
            patch_size=8,
            vision_use_head=False,
        ),
        mm_tokens_per_image=16,
        boi_token_index=509,
        eoi_token_index=510,
        image_token_index=511,
    )


def write_random_model(folder: Path, config: Gemma3Config, device: str) -> None:
    """Make the weights where and as they will be used: no detour over float32 or the CPU."""
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)


def rows(config: Gemma3Config, size: int, device: str, cached: bool) -> dict[str, Any]:
    """Return ``size`` random rows, as the collator makes them, on the device."""
    settings: Any = config
    tokens, width = settings.mm_tokens_per_image, settings.text_config.hidden_size
    generator = torch.Generator().manual_seed(1)
    text = torch.randint(3, settings.boi_token_index, (size, BEFORE + AFTER), generator=generator)
    picture = torch.tensor(
        [
            settings.boi_token_index,
            *[settings.image_token_id] * tokens,
            settings.eoi_token_index,
        ]
    )
    ids = torch.cat([text[:, :BEFORE], picture.expand(size, -1), text[:, BEFORE:]], dim=1)
    labels = ids.clone()
    labels[:, :-ANSWER] = -100
    batch: dict[str, Any] = {
        "input_ids": ids.to(device),
        "attention_mask": torch.ones_like(ids).to(device),
        "token_type_ids": (ids == settings.image_token_id).long().to(device),
        "labels": labels.to(device),
    }
    if cached:
        features = torch.randn(size, tokens, width, generator=generator)
        outputs = BaseModelOutputWithPooling(pooler_output=features.to(device, torch.bfloat16))
        return {**batch, "mm_encoder_outputs": {"image": outputs}}
    side = settings.vision_config.image_size
    stored = torch.rand(size, 3, STORED, STORED, generator=generator)
    pixels = functional.interpolate(stored, (side, side), mode="bilinear", antialias=True)
    return {**batch, "pixel_values": (2 * pixels - 1).to(device)}
