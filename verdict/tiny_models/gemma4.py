"""Gemma 4's architecture, tokenizer and processor at laptop size: those of its small models.

The language side is the real one, smaller: per-layer embeddings, wider heads in the layers that
attend to everything, keys and values shared by the last layers. The vision tower is the real one,
too, with smaller patches, so that an image of 64 pixels is seen whole. The audio tower is left
out, as the larger models do without it.
"""

from importlib.metadata import distribution
from pathlib import Path

import torch
from transformers import (
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4Processor,
    Gemma4TextConfig,
    Gemma4VideoProcessor,
    Gemma4VisionConfig,
    GemmaTokenizer,
)
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

from verdict.tiny_models import questions
from verdict.tiny_models.architecture import IMAGE_SIZE, embedding_rows
from verdict.tiny_models.tokenizer import build_tokenizer

#: Pixels a side of a patch, and patches a side of what becomes one soft token.
PATCH_SIZE, POOLING = 4, 2
#: The least that Gemma 4's image processor knows; of these soft tokens a square image has 8 × 8.
MOST_IMAGE_TOKENS, IMAGE_TOKENS = 70, 64

#: Gemma 4's marks, under the names by which its tokenizer has them; no tools are called here.
MARKS = {
    "sot_token": "<|turn>",
    "eot_token": "<turn|>",
    "soc_token": "<|channel>",
    "eoc_token": "<channel|>",
    "think_token": "<|think|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "image_token": "<|image|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
    "audio_token": "<|audio|>",
    "video_token": "<|video|>",
}


def chat_template() -> str:
    """Return the template of google/gemma-4-E2B-it and its sisters, which trl keeps a copy of.

    It is that of commit 8995379 (July 2026), as trl/chat_templates/README.md says.
    """
    template = distribution("trl").locate_file("trl/chat_templates/gemma4_v5.jinja")
    return Path(str(template)).read_text(encoding="utf-8")


def build_gemma4_processor() -> Gemma4Processor:
    """Return Gemma 4's processor: an image becomes 64 soft tokens, and patches from 0 to 1."""
    tokenizer = build_tokenizer(["system\n", "thought\n", *questions.corpus()], MARKS)
    images = Gemma4ImageProcessorPil(
        max_soft_tokens=MOST_IMAGE_TOKENS, patch_size=PATCH_SIZE, pooling_kernel_size=POOLING
    )
    return Gemma4Processor(
        feature_extractor=Gemma4AudioFeatureExtractor(),
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=Gemma4VideoProcessor(),
        chat_template=chat_template(),
        image_seq_length=MOST_IMAGE_TOKENS,
    )


def build_untrained_gemma4(tokenizer: GemmaTokenizer) -> Gemma4ForConditionalGeneration:
    """Return the model with random weights, from torch's current seed."""
    model = Gemma4ForConditionalGeneration(
        Gemma4Config(
            text_config=_text_config(tokenizer),
            vision_config=_vision_config(),
            audio_config=None,
            boi_token_id=tokenizer.boi_token_id,
            eoi_token_id=tokenizer.eoi_token_id,
            image_token_id=tokenizer.image_token_id,
            video_token_id=tokenizer.video_token_id,
            boa_token_id=tokenizer.boa_token_id,
            eoa_token_index=tokenizer.eoa_token_id,
            audio_token_id=tokenizer.audio_token_id,
        )
    )
    tower = model.model.vision_tower
    # transformers starts with ones, which drown the patches.
    torch.nn.init.normal_(tower.patch_embedder.position_embedding_table, std=0.1)
    # Attention is not scaled; from random weights it would look at one token only.
    for layer in [*model.model.language_model.layers, *tower.encoder.layers]:
        attention = layer.self_attn
        torch.nn.init.constant_(attention.q_norm.weight, attention.head_dim**-0.5)
    return model


def _text_config(tokenizer: GemmaTokenizer) -> Gemma4TextConfig:
    # The wider heads of the layers that attend to everything are among its keyword arguments.
    return Gemma4TextConfig(  # type: ignore[call-arg]
        vocab_size=embedding_rows(tokenizer),
        vocab_size_per_layer_input=embedding_rows(tokenizer),
        hidden_size=128,
        hidden_size_per_layer_input=64,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        global_head_dim=64,
        layer_types=["sliding_attention", "full_attention"] * 2,
        num_kv_shared_layers=2,
        final_logit_softcapping=30.0,
        max_position_embeddings=512,
        sliding_window=512,
        initializer_range=0.088,  # as for the tiny Gemma 3
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _vision_config() -> Gemma4VisionConfig:
    return Gemma4VisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=16,
        patch_size=PATCH_SIZE,
        pooling_kernel_size=POOLING,
        position_embedding_size=IMAGE_SIZE // PATCH_SIZE * 4,
        use_clipped_linears=True,
        # Weights of this size learn in a few hundred steps; 0.02 is for much longer training.
        initializer_range=0.1,
    )
