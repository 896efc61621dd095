"""Gemma 3n's architecture, tokenizer and processor at laptop size.

The language side is the real one, smaller: alternating updates, learned residuals, per-layer
embeddings, sparse activations in the first layers, keys and values shared by the last ones. The
vision tower is timm's through transformers' wrapper, as in Gemma 3n, but another of timm's: the
real one, MobileNetV5, is no smaller than 39 blocks, and those learn too slowly from nothing. The
audio tower is there because the model has none to do without; it never learns, nor hears anything.
"""

import json

import torch
from transformers import (
    Gemma3nAudioConfig,
    Gemma3nAudioFeatureExtractor,
    Gemma3nConfig,
    Gemma3nForConditionalGeneration,
    Gemma3nProcessor,
    Gemma3nTextConfig,
    Gemma3nVisionConfig,
    GemmaTokenizer,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from verdict.tiny_models.architecture import IMAGE_SIZE, IMAGE_TOKENS, embedding_rows
from verdict.tiny_models.tokenizer import CHAT_TEMPLATE, MARKS, build_tokenizer

#: Soft tokens an audio clip.
AUDIO_TOKENS = 4
#: Gemma 3n embeds these apart from text, in this order behind the words' ids.
_VISION, _AUDIO = ("<end_of_image>", "<image_soft_token>"), ("<end_of_audio>", "<audio_soft_token>")

#: A ConvNeXt of timm's, made for tests, and the channels of its output.
_TOWER, _TOWER_WIDTH = "test_convnext", 64


def build_gemma3n_tokenizer() -> GemmaTokenizer:
    """Return the tiny Gemma 3's tokenizer with Gemma 3n's marks, at the ids that 3n wants."""
    trained = json.loads(build_tokenizer().backend_tokenizer.to_str())["model"]
    known = sorted(trained["vocab"], key=trained["vocab"].get)
    words = [word for word in known if word not in _VISION]
    words.insert(words.index("<start_of_image>") + 1, "<start_of_audio>")
    words += [*_VISION, *_AUDIO]
    return GemmaTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[tuple(merge) for merge in trained["merges"]],  # type: ignore[misc]
        extra_special_tokens={
            **MARKS,
            "boa_token": "<start_of_audio>",
            "eoa_token": "<end_of_audio>",
            "audio_token": "<audio_soft_token>",
        },
        padding_side="left",
    )


def build_gemma3n_processor() -> Gemma3nProcessor:
    """Return Gemma 3n's processor: an image becomes 16 soft tokens, and pixels from 0 to 1."""
    side = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return Gemma3nProcessor(
        feature_extractor=Gemma3nAudioFeatureExtractor(),
        image_processor=SiglipImageProcessorPil(size=side, do_normalize=False),
        tokenizer=build_gemma3n_tokenizer(),
        # Gemma 3n's template writes the soft token where Gemma 3's opens an image.
        chat_template=CHAT_TEMPLATE.replace("<start_of_image>", "<image_soft_token>"),
        audio_seq_length=AUDIO_TOKENS,
        image_seq_length=IMAGE_TOKENS,
    )


def build_untrained_gemma3n(tokenizer: GemmaTokenizer) -> Gemma3nForConditionalGeneration:
    """Return the model with random weights, from torch's current seed."""
    model = Gemma3nForConditionalGeneration(
        Gemma3nConfig(
            text_config=_text_config(tokenizer),
            vision_config=_vision_config(tokenizer),
            audio_config=_audio_config(tokenizer),
            vision_soft_tokens_per_image=IMAGE_TOKENS,
            audio_soft_tokens_per_image=AUDIO_TOKENS,
            boi_token_id=tokenizer.boi_token_id,
            eoi_token_id=tokenizer.eoi_token_id,
            image_token_id=tokenizer.image_token_id,
            boa_token_id=tokenizer.boa_token_id,
            eoa_token_id=tokenizer.eoa_token_id,
            audio_token_id=tokenizer.audio_token_id,
        )
    )
    for layer in model.model.language_model.layers:
        # transformers starts this at zero, which shuts the per-layer embeddings off.
        torch.nn.init.ones_(layer.altup.correct_output_scale)
        # Attention is not scaled; from random weights it would look at one token only.
        torch.nn.init.constant_(layer.self_attn.q_norm.weight, layer.self_attn.head_dim**-0.5)
    return model


def _text_config(tokenizer: GemmaTokenizer) -> Gemma3nTextConfig:
    return Gemma3nTextConfig(
        vocab_size=embedding_rows(tokenizer),
        vocab_size_per_layer_input=tokenizer.eoi_token_id,
        hidden_size=128,
        hidden_size_per_layer_input=64,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        layer_types=["sliding_attention", "full_attention"] * 2,
        num_kv_shared_layers=2,
        laurel_rank=64,
        activation_sparsity_pattern=[0.95, 0.0, 0.0, 0.0],
        max_position_embeddings=512,
        sliding_window=512,
        initializer_range=0.088,  # as for the tiny Gemma 3
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _vision_config(tokenizer: GemmaTokenizer) -> Gemma3nVisionConfig:
    return Gemma3nVisionConfig(
        architecture=_TOWER,
        hidden_size=_TOWER_WIDTH,
        vocab_size=len(_VISION),
        vocab_offset=tokenizer.eoi_token_id,
        # Weights of this size learn in a few hundred steps; 0.02 is for much longer training.
        initializer_range=0.1,
        model_args={
            # One place of the output for each token.
            "output_stride": round(IMAGE_SIZE / IMAGE_TOKENS**0.5),
            "ls_init_value": 0.1,
        },
    )


def _audio_config(tokenizer: GemmaTokenizer) -> Gemma3nAudioConfig:
    return Gemma3nAudioConfig(
        vocab_size=len(_AUDIO),
        vocab_offset=tokenizer.eoa_token_id,
        hidden_size=64,
        conf_num_attention_heads=2,
        conf_num_hidden_layers=1,
        sscp_conv_channel_size=(8, 8),
    )
