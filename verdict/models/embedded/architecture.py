"""The architecture: Gemma 3's own classes, small enough to train in a minute on one core.

Every linear layer has a multiple of 64 inputs and of 32 outputs, as 4-bit blocks need.
"""

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GemmaTokenizer,
    SiglipVisionConfig,
)

#: Pixels a side, and soft tokens an image (a perfect square, as Gemma's pooling needs).
IMAGE_SIZE, IMAGE_TOKENS = 64, 16
#: Pixels a side of a patch of the vision tower.
PATCH_SIZE = 8
#: Embeddings are a multiple of 64, like every other matrix; the rest of the rows is never used.
_ROW_MULTIPLE = 64


def build_untrained(tokenizer: GemmaTokenizer) -> Gemma3ForConditionalGeneration:
    """Return the model with random weights, from torch's current seed."""
    text = Gemma3TextConfig(
        vocab_size=-(-len(tokenizer) // _ROW_MULTIPLE) * _ROW_MULTIPLE,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=512,
        sliding_window=512,
        # Gemma scales embeddings by the root of the width; at this width the usual 0.02 would
        # leave them too small to learn from in a few hundred steps.
        initializer_range=0.088,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
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
            text_config=text,
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
