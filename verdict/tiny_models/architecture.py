"""The architecture: Gemma 3's own classes, small enough to train in a minute on one core.

Every linear layer has a multiple of 64 inputs and of 32 outputs, as 4-bit blocks need.
"""

from dataclasses import dataclass

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GemmaTokenizer,
    SiglipVisionConfig,
)

#: Pixels a side, and soft tokens an image (a perfect square, as Gemma's pooling needs).
IMAGE_SIZE, IMAGE_TOKENS = 64, 16
#: Pixels a side of a patch of the vision tower.
PATCH_SIZE = 8


@dataclass(frozen=True)
class Size:
    """How deep a language model is, and how many tokens a prompt and its answer may have."""

    layers: int
    positions: int


#: Images are seen by the tower; what is left for the language model is little.
FOR_IMAGES = Size(layers=2, positions=512)
#: To compare texts takes three steps: where a word stands, whether it recurs there, how many do.
FOR_TEXTS = Size(layers=3, positions=2048)


def embedding_rows(tokenizer: GemmaTokenizer) -> int:
    """Return a multiple of 64, as every other matrix has; the rest of the rows is never used."""
    return -(-len(tokenizer) // 64) * 64


def text_config(tokenizer: GemmaTokenizer, size: Size = FOR_IMAGES) -> Gemma3TextConfig:
    """Return the language model's configuration."""
    return Gemma3TextConfig(
        vocab_size=embedding_rows(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=size.positions,
        sliding_window=size.positions,
        # Gemma scales embeddings by the root of the width; at this width the usual 0.02 would
        # leave them too small to learn from in a few hundred steps.
        initializer_range=0.088,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def build_untrained_text(tokenizer: GemmaTokenizer, size: Size = FOR_TEXTS) -> Gemma3ForCausalLM:
    """Return a model for text alone with random weights, from torch's current seed."""
    return Gemma3ForCausalLM(text_config(tokenizer, size))


def build_untrained(
    tokenizer: GemmaTokenizer, size: Size = FOR_IMAGES
) -> Gemma3ForConditionalGeneration:
    """Return a model for images and text with random weights, from torch's current seed."""
    vision = SiglipVisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        vision_use_head=False,
    )
    model = Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=text_config(tokenizer, size),
            vision_config=vision,
            mm_tokens_per_image=IMAGE_TOKENS,
            boi_token_index=tokenizer.boi_token_id,
            eoi_token_index=tokenizer.eoi_token_id,
            image_token_index=tokenizer.image_token_id,
        )
    )
    # transformers starts the projection at zero, through which no gradient reaches the tower.
    projection = model.model.multi_modal_projector.mm_input_projection_weight
    torch.nn.init.normal_(projection, std=vision.hidden_size**-0.5)
    return model
