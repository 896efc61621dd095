"""Tiny Gemma 3 models as GGUF files, written as llama.cpp's converter does."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import (
    MODEL_ARCH,
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    TokenType,
    get_tensor_name_map,
    quantize,
)
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from verdict.tiny_models.tokenizer import build_tokenizer


def untrained(**changes: Any) -> tuple[Any, Any]:
    """Return a random Gemma 3 for text in bfloat16, as models are published, and its tokenizer."""
    tokenizer = build_tokenizer()
    options = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 6,  # of which the last attends to everything
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "max_position_embeddings": 512,
        "sliding_window": 8,  # shorter than what the tests ask
        "initializer_range": 0.2,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **changes,
    }
    torch.manual_seed(1)
    return Gemma3ForCausalLM(Gemma3TextConfig(**options)).bfloat16(), tokenizer


def write_gguf(
    path: Path,
    model: Any,
    tokenizer: Any,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    *,
    architecture: str = "gemma3",
    more: dict[str, Any] | None = None,
    left_out: str | None = None,
) -> Path:
    """Write a model; matrices in the type given, norms in F32.

    Args:
        architecture: what the file says it holds.
        more: further keys of the architecture, such as ``rope.scaling.factor``.
        left_out: the name of weights that are not written.
    """
    config, writer = model.config, GGUFWriter(path, architecture)
    writer.add_name("Tiny Gemma 3")
    writer.add_license("gemma")
    writer.add_file_type(LlamaFileType[f"{_FILE_TYPES[kind]}_{kind.name}"])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
    for key, value in (more or {}).items():
        add: Any = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}
        add[type(value)](f"{architecture}.{key}", value)
    _add_tokenizer(writer, tokenizer)
    names = get_tensor_name_map(MODEL_ARCH.GEMMA3, config.num_hidden_layers)
    for name, parameter in model.named_parameters():
        values = parameter.detach().float().numpy()
        theirs = f"{names.get_name(name.removesuffix('.weight'))}.weight"
        if theirs == left_out:
            continue
        if values.ndim == 1:
            writer.add_tensor(theirs, values + np.float32(1))
        else:
            writer.add_tensor(theirs, quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_FILE_TYPES = {
    GGMLQuantizationType.F32: "ALL",
    GGMLQuantizationType.F16: "MOSTLY",
    GGMLQuantizationType.BF16: "MOSTLY",
    GGMLQuantizationType.Q8_0: "MOSTLY",
    GGMLQuantizationType.Q4_0: "MOSTLY",
}


def _add_tokenizer(writer: GGUFWriter, tokenizer: Any) -> None:
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_scores([-float(i) for _, i in vocabulary])
    writer.add_token_types(
        [
            TokenType.CONTROL
            if token in special
            else TokenType.BYTE
            if token.startswith("<0x")
            else TokenType.NORMAL
            for token, _ in vocabulary
        ]
    )
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)
