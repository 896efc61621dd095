"""Write a GGUF file's model as transformers keeps one: safetensors, configuration, tokenizer."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import MODEL_ARCH, dequantize, get_tensor_name_map
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GemmaTokenizer, GenerationConfig
from transformers.utils import logging

from verdict.core.errors import VerdictError, first_line
from verdict.core.files import sha256_of, write_json
from verdict.core.paths import PROVENANCE_FILE
from verdict.gguf.config import gemma3_config
from verdict.gguf.file import GgufFile, open_gguf
from verdict.runtime.progress import progress
from verdict.tiny_models.tokenizer import CHAT_TEMPLATE

#: Chat templates by name. ``gemma`` renders as the one that Google publishes with Gemma 3.
_TEMPLATES = {"gemma": CHAT_TEMPLATE}
_WEIGHT = ".weight"


def convert(path: Path, folder: Path, shown: str, *, chat_template: str | None) -> None:
    """Write the model of a GGUF file into a new folder.

    Weights are kept as bfloat16, as Google publishes them: of a file in F16, F32 or BF16 that was
    made of those nothing is lost, and what rounding adds to the others (0.2 % of a weight) is small
    beside what quantization has taken.

    Args:
        shown: what messages call the file.
        chat_template: a name; None: as the file says, if it does.

    Raises:
        VerdictError: the file is none of a Gemma 3 that can be read, or is not whole.
    """
    file = open_gguf(path, shown)
    logging.disable_progress_bar()
    tokenizer = _tokenizer(file, chat_template)
    model = _model(file, gemma3_config(file))
    if len(tokenizer) > (embedded := model.config.vocab_size):
        raise VerdictError(
            f"{shown} has {len(tokenizer):,} tokens, but embeddings of {embedded:,}. Choose "
            "another file of the model."
        )
    ends = [tokenizer.eos_token_id]
    if tokenizer.chat_template:
        ends.insert(0, tokenizer.convert_tokens_to_ids("<end_of_turn>"))
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=list(dict.fromkeys(ends)),
        pad_token_id=tokenizer.pad_token_id,
    )
    folder.mkdir()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    template = chat_template or ("the file's own" if tokenizer.chat_template else None)
    weights = {**file.describe(sha256_of(path)), "chat_template": template}
    write_json(folder / PROVENANCE_FILE, {"weights": weights})


def _tokenizer(file: GgufFile, chat_template: str | None) -> Any:
    kind = file.metadata.get("tokenizer.ggml.model")
    if kind != "llama":
        raise VerdictError(
            f"{file.shown} has a tokenizer of the kind {kind!r}, where Gemma 3's is 'llama' "
            "(SentencePiece). Choose a file that llama.cpp's converter has written."
        )
    try:
        tokenizer = GemmaTokenizer.from_pretrained(
            file.path.parent, gguf_file=file.path.name, trust_remote_code=False
        )
    except Exception as error:  # what tokenizers raises is of no own kind
        raise VerdictError(
            f"the tokenizer in {file.shown} cannot be read ({first_line(error)}). Choose another "
            "file of the model."
        ) from None
    if chat_template is not None:
        tokenizer.chat_template = _TEMPLATES[chat_template]
    return tokenizer


def _model(file: GgufFile, config: Gemma3TextConfig) -> Any:
    """Build the model around the weights of the file, each of which must have its place."""
    with torch.device("meta"):
        model = Gemma3ForCausalLM(config)
    theirs = get_tensor_name_map(MODEL_ARCH.GEMMA3, config.num_hidden_layers)
    ours = {
        f"{theirs.get_name(name.removesuffix(_WEIGHT))}{_WEIGHT}": name
        for name, _ in model.named_parameters()
    }
    _refuse_others(file, {name: model.get_parameter(key).shape for name, key in ours.items()})
    weights = {}
    with progress("unpack weights", len(file.tensors), "tensors") as bar:
        for tensor in file.tensors:
            weights[ours[tensor.name]] = _unpacked(file, tensor, ours[tensor.name])
            bar.advance()
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    return model


def _refuse_others(file: GgufFile, wanted: dict[str, torch.Size]) -> None:
    """Refuse a file without some of the weights, with others, or of other shapes."""
    found = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in file.tensors}
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            problem = f"lacks the weights {name}"
        elif name not in wanted:
            problem = f"holds {name}, which Gemma 3 for text has not"
        elif found[name] != tuple(wanted[name]):
            problem = f"holds {name} of the shape {found[name]}, expected {tuple(wanted[name])}"
        else:
            continue
        raise VerdictError(
            f"{file.shown} {problem}. Choose a file that llama.cpp's converter has written, or "
            "take the model from the hub (name and revision)."
        )


def _unpacked(file: GgufFile, tensor: Any, name: str) -> torch.Tensor:
    try:
        values = dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError:
        raise VerdictError(
            f"{file.shown} holds {tensor.name} in the type {tensor.tensor_type.name}, which the "
            "package gguf cannot unpack. Choose another quantization, such as Q8_0 or Q4_K_M."
        ) from None
    if name.endswith("norm.weight"):
        values = values - 1  # llama.cpp keeps what inputs are multiplied by, transformers that - 1
    # Of a copy: what was not packed still lies in the mapped file.
    return torch.from_numpy(np.require(values, requirements=["W", "C"])).to(torch.bfloat16)
