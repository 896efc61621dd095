"""The published models, made anew: at full size without weights, or narrow with random ones."""

import copy
from pathlib import Path
from typing import Any

import pytest

from testing.architectures import PUBLISHED

torch = pytest.importorskip("torch")


def without_weights(name: str, *, classify: bool = False) -> Any:
    """Return a published model at full size on the meta device, which holds no numbers."""
    with torch.device("meta"):
        config = _config(PUBLISHED[name.lower()])
        return _class_for(config, classify=classify)(config)


def save_narrow(folder: Path, name: str) -> None:
    """Write a published model at a few layers of little width, with random weights.

    A Gemma 4 has the processor of the tiny one beside it.
    """
    settings = copy.deepcopy(PUBLISHED[name.lower()])
    if settings["model_type"] == "gemma4":
        _narrow_gemma4(settings, folder)
    else:
        _narrow(settings)
    torch.manual_seed(0)
    config = _config(settings)
    _class_for(config, classify=False)(config).save_pretrained(folder)


def _narrow(settings: dict[str, Any]) -> None:
    text = settings.get("text_config", settings)
    text |= {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "head_dim": 32,
        "vocab_size": 512,
        "layer_types": ["sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 32,
    }
    if "vision_config" in settings:
        settings["vision_config"] |= {
            "hidden_size": 64,
            "image_size": 56,
            "intermediate_size": 128,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
        }
        settings |= {
            "boi_token_index": 509,
            "eoi_token_index": 510,
            "image_token_index": 511,
            "mm_tokens_per_image": 4,
        }


def _narrow_gemma4(settings: dict[str, Any], folder: Path) -> None:
    from verdict.tiny_models.gemma4 import PATCH_SIZE, POOLING, build_gemma4_processor

    processor = build_gemma4_processor()
    processor.save_pretrained(folder)
    names = ("image_token_id", "boi_token_id", "eoi_token_id", "audio_token_id", "boa_token_id")
    settings |= {name: getattr(processor.tokenizer, name) for name in names}
    settings["video_token_id"] = processor.video_token_id
    text, vision = settings["text_config"], settings["vision_config"]
    layers = text["layer_types"][-2:]
    text |= {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": len(layers) * 2,
        "layer_types": layers * 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "global_head_dim": 64,
        "vocab_size": 2048,
        "vocab_size_per_layer_input": 2048,
    }
    # As much of the depth as in the published one.
    if "num_kv_shared_layers" in text:
        text |= {"num_kv_shared_layers": len(layers), "hidden_size_per_layer_input": 64}
    if "num_global_key_value_heads" in text:
        text["num_global_key_value_heads"] = 1
    if "num_experts" in text:
        text |= {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}
    vision |= {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 16,
        "patch_size": PATCH_SIZE,
        "pooling_kernel_size": POOLING,
        "position_embedding_size": 64,
    }
    if "audio_config" in settings:
        settings["audio_config"] |= {
            "hidden_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "output_proj_dims": 64,
            "subsampling_conv_channels": [8, 8],
        }


def _config(settings: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    settings = copy.deepcopy(settings)
    return AutoConfig.for_model(settings.pop("model_type"), **settings)


def _class_for(config: Any, *, classify: bool) -> Any:
    import transformers

    if classify:
        return transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    if type(config) in transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
    return transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
