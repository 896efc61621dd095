"""The architectures of the models that recipes name.

Values are those of each model's published ``config.json``, as in transformers' own scripts that
convert Gemma's weights; what is not here is transformers' default, as there.
"""

from typing import Any

GEMMA_3_4B: dict[str, Any] = {
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_attention_heads": 8,
        "num_hidden_layers": 34,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
        "vocab_size": 262_208,
    },
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
        "vision_use_head": False,
    },
    "boi_token_index": 255_999,
    "eoi_token_index": 256_000,
    "image_token_index": 262_144,
    "mm_tokens_per_image": 256,
}
GEMMA_3_1B: dict[str, Any] = {
    "model_type": "gemma3_text",
    "head_dim": 256,
    "hidden_size": 1152,
    "intermediate_size": 6912,
    "max_position_embeddings": 32_768,
    "num_attention_heads": 4,
    "num_hidden_layers": 26,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 256,
    "rope_local_base_freq": 10_000,
    "rope_theta": 1_000_000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "vocab_size": 262_144,
}
GEMMA_3_270M: dict[str, Any] = {
    **GEMMA_3_1B,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
}
_GEMMA_3_27B_TEXT: dict[str, Any] = {
    **GEMMA_3_4B["text_config"],
    "head_dim": 128,
    "hidden_size": 5376,
    "intermediate_size": 21_504,
    "num_attention_heads": 32,
    "num_hidden_layers": 62,
    "num_key_value_heads": 16,
    "query_pre_attn_scalar": 168,
}
GEMMA_3_27B: dict[str, Any] = {**GEMMA_3_4B, "text_config": _GEMMA_3_27B_TEXT}
GEMMA_3N_E4B: dict[str, Any] = {
    "model_type": "gemma3n",
    "text_config": {
        "model_type": "gemma3n_text",
        "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 25,
        "altup_num_inputs": 4,
        "head_dim": 256,
        "hidden_size": 2048,
        "hidden_size_per_layer_input": 256,
        "intermediate_size": [16_384] * 35,
        "laurel_rank": 64,
        "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 7,
        "max_position_embeddings": 32_768,
        "num_attention_heads": 8,
        "num_hidden_layers": 35,
        "num_key_value_heads": 2,
        "num_kv_shared_layers": 15,
        "sliding_window": 512,
        "vocab_size": 262_400,
        "vocab_size_per_layer_input": 262_144,
    },
    "vision_config": {
        "model_type": "gemma3n_vision",
        "architecture": "mobilenetv5_300m_enc",
        "do_pooling": False,
        "hidden_size": 2048,
    },
    "audio_config": {
        "model_type": "gemma3n_audio",
        "conf_num_attention_heads": 8,
        "conf_num_hidden_layers": 12,
        "hidden_size": 1536,
    },
}
_GEMMA_4: dict[str, Any] = {
    "model_type": "gemma4_text",
    "final_logit_softcapping": 30.0,
    "rope_parameters": {
        "full_attention": {
            "rope_theta": 1_000_000.0,
            "rope_type": "proportional",
            "partial_rotary_factor": 0.25,
        },
        "sliding_attention": {"rope_theta": 10_000.0, "rope_type": "default"},
    },
}
#: Of the larger ones, which know no sound.
_GEMMA_4_LARGE: dict[str, Any] = {
    **_GEMMA_4,
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
    "max_position_embeddings": 262_144,
    "sliding_window": 1024,
    "use_bidirectional_attention": "vision",
}
_GEMMA_4_LARGE_VISION: dict[str, Any] = {
    "model_type": "gemma4_vision",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 72,
    "standardize": True,
}
GEMMA_4_E4B: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {
        **_GEMMA_4,
        "hidden_size": 2560,
        "intermediate_size": 10_240,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 7,
        "num_attention_heads": 8,
        "num_hidden_layers": 42,
        "num_key_value_heads": 2,
        "num_kv_shared_layers": 18,
    },
    "vision_config": {"model_type": "gemma4_vision", "use_clipped_linears": True},
    "audio_config": {"model_type": "gemma4_audio"},
}
GEMMA_4_31B: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {
        **_GEMMA_4_LARGE,
        "hidden_size": 5376,
        "intermediate_size": 21_504,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 10,
        "num_attention_heads": 32,
        "num_global_key_value_heads": 4,
        "num_hidden_layers": 60,
        "num_key_value_heads": 16,
    },
    "vision_config": _GEMMA_4_LARGE_VISION,
}
#: Its layers have a network for all tokens, and beside it 128 experts, of which a token takes 8.
GEMMA_4_26B_A4B: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {
        **_GEMMA_4_LARGE,
        "enable_moe_block": True,
        "hidden_size": 2816,
        "intermediate_size": 2112,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
        "moe_intermediate_size": 704,
        "num_attention_heads": 16,
        "num_experts": 128,
        "num_global_key_value_heads": 2,
        "num_hidden_layers": 30,
        "num_key_value_heads": 8,
        "top_k_experts": 8,
    },
    "vision_config": _GEMMA_4_LARGE_VISION,
}
#: By the model's name on the hub, in lower case.
PUBLISHED = {
    "google/gemma-3-4b-it": GEMMA_3_4B,
    "google/medgemma-4b-it": GEMMA_3_4B,
    "google/medgemma-1.5-4b-it": GEMMA_3_4B,
    "google/medgemma-27b-it": GEMMA_3_27B,
    "google/medgemma-27b-text-it": {**_GEMMA_3_27B_TEXT, "vocab_size": 262_144},
    "google/gemma-3-1b-it": GEMMA_3_1B,
    "google/gemma-3-270m-it": GEMMA_3_270M,
    "google/gemma-3n-e4b-it": GEMMA_3N_E4B,
    "google/gemma-4-e4b-it": GEMMA_4_E4B,
    "google/gemma-4-31b-it": GEMMA_4_31B,
    "google/gemma-4-26b-a4b-it": GEMMA_4_26B_A4B,
}
