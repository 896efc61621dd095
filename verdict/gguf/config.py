"""Gemma 3's configuration, from what a GGUF file says and from what is known of the published ones.

transformers 5.23.0 makes one of the file, too, but leaves out the scaling of positions, which the
sizes from 4B on have, and the 27B's scale of queries (findings/transformers_gguf_loses_scales.sh).
"""

from dataclasses import dataclass

from huggingface_hub.errors import StrictDataclassError
from transformers import Gemma3TextConfig

from verdict.core.errors import VerdictError, first_line
from verdict.gguf.file import ARCHITECTURE, GgufFile

#: Every so many layers one attends to everything: the default in transformers, too.
_PATTERN = 6
#: What the configuration is made of, and what repeats it.
_KNOWN = frozenset(
    {
        "context_length",
        "embedding_length",
        "block_count",
        "feed_forward_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.value_length",
        "attention.layer_norm_rms_epsilon",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "final_logit_softcapping",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.freq_base_swa",
        "rope.scaling.type",
        "rope.scaling.factor",
        "vocab_size",
    }
)


@dataclass(frozen=True)
class Published:
    """What config.json says of one of Google's sizes, and a GGUF file need not.

    Attributes:
        factor: positions of the layers that attend to everything are divided by it.
        query: queries are divided by its root.
    """

    factor: float | None
    query: int


#: By layers and width: 270M, 1B, 4B, 12B, 27B. https://huggingface.co/google/gemma-3-27b-it
PUBLISHED = {
    (18, 640): Published(None, 256),
    (26, 1152): Published(None, 256),
    (34, 2560): Published(8.0, 256),
    (48, 3840): Published(8.0, 256),
    (62, 5376): Published(8.0, 168),
}


def gemma3_config(file: GgufFile) -> Gemma3TextConfig:
    """Return the configuration; the file's own words go before what is known of its size.

    A size that Google has not published is read as llama.cpp does: positions are scaled where the
    file says so, and queries by their length.

    Raises:
        VerdictError: the file leaves out what is needed, or says what would be lost.
    """
    _refuse_unknown(file)
    try:
        return _config(file)
    # What a forged file's numbers make of the arithmetic, and of the library's checks.
    except (ValueError, TypeError, LookupError, ArithmeticError, StrictDataclassError) as error:
        raise VerdictError(
            f"{file.shown} describes no Gemma 3 ({first_line(error)}). Choose a file that "
            "llama.cpp's converter has written."
        ) from None


def _config(file: GgufFile) -> Gemma3TextConfig:
    layers, width = file.stated("block_count"), file.stated("embedding_length")
    if layers > len(file.tensors):
        raise ValueError(f"{layers} layers of {len(file.tensors)} tensors")
    heads = file.stated("attention.head_count")
    length = file.stated("attention.key_length", width // heads)
    published = PUBLISHED.get((layers, width), Published(None, length))
    everywhere = {"rope_type": "default", "rope_theta": file.stated("rope.freq_base", 1e6)}
    if factor := _factor(file, published):
        everywhere |= {"rope_type": "linear", "factor": factor}
    nearby = {"rope_type": "default", "rope_theta": file.stated("rope.freq_base_swa", 1e4)}
    shapes = {tensor.name: tensor.shape for tensor in file.tensors}
    if "token_embd.weight" not in shapes:
        raise VerdictError(f"{file.shown} has no token_embd.weight, so it is no whole model.")
    return Gemma3TextConfig(
        vocab_size=int(shapes["token_embd.weight"][-1]),
        hidden_size=width,
        intermediate_size=file.stated("feed_forward_length"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=file.stated("attention.head_count_kv", heads),
        head_dim=length,
        max_position_embeddings=file.stated("context_length"),
        # Stored in 32 bits, where 1e-06 is 9.999999974752427e-07.
        rms_norm_eps=float(f"{file.stated('attention.layer_norm_rms_epsilon'):.6g}"),
        query_pre_attn_scalar=published.query,
        sliding_window=file.stated("attention.sliding_window"),
        rope_parameters={"full_attention": everywhere, "sliding_attention": nearby},
        final_logit_softcapping=file.metadata.get(f"{ARCHITECTURE}.final_logit_softcapping"),
        tie_word_embeddings="output.weight" not in shapes,
        pad_token_id=file.metadata.get("tokenizer.ggml.padding_token_id"),
        bos_token_id=file.metadata.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=file.metadata.get("tokenizer.ggml.eos_token_id"),
    )


def _refuse_unknown(file: GgufFile) -> None:
    """Refuse keys that this configuration would leave out, and the model then be another."""
    start = f"{ARCHITECTURE}."
    stated = {key.removeprefix(start) for key in file.metadata if key.startswith(start)}
    for key in sorted(stated - _KNOWN):
        raise VerdictError(
            f"{file.shown} says {start}{key}, which is not read here, and without it the model "
            "would be another. Take the model from the hub (name and revision)."
        )
    pattern = file.metadata.get(f"{start}attention.sliding_window_pattern", _PATTERN)
    if pattern != _PATTERN:
        raise VerdictError(
            f"{file.shown} says {start}attention.sliding_window_pattern {pattern!r}, where Gemma 3 "
            f"has {_PATTERN}. Take the model from the hub (name and revision)."
        )


def _factor(file: GgufFile, published: Published) -> float | None:
    """Return what positions are divided by; None where they are not."""
    kind = file.metadata.get(f"{ARCHITECTURE}.rope.scaling.type")
    if kind == "none":
        return None
    if kind not in (None, "linear"):
        raise VerdictError(
            f"{file.shown} scales positions in the way {kind!r}, and Gemma 3 has none but linear. "
            "Take the model from the hub (name and revision)."
        )
    return file.metadata.get(f"{ARCHITECTURE}.rope.scaling.factor", published.factor)
