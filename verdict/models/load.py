"""Load processors and models from folders on disk; nothing comes from the network here."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.utils import logging

from verdict.core.errors import VerdictError
from verdict.models.chat import take_form
from verdict.models.folder import damage_explained, require_folder, without_code
from verdict.models.processors import open_processor
from verdict.params.data import Form
from verdict.params.training import ModelOptions, Quantization

#: Kept out of 4-bit: the heads, and the small parts that turn pixels and sound into tokens. Full
#: names, since ``vision_tower`` alone matches nothing, and naming any drops the default
#: (``lm_head``). A model need not have all of them.
NOT_QUANTIZED = [
    "lm_head",
    "score",
    "model.vision_tower",
    "model.multi_modal_projector",
    # Gemma 3n and Gemma 4
    "model.embed_vision",
    "model.audio_tower",
    "model.embed_audio",
    # Gemma 3n's weights are clamped in place during training, which packed numbers cannot be.
    r".*\.altup",
    # Qwen2.5-VL
    "model.visual",
]


def load_processor(folder: Path, form: Form = "turns") -> ProcessorMixin:
    """Load the processor; for a model that reads text alone one that has only its tokenizer.

    Args:
        form: how it writes conversations; turns are those of the folder's own chat template.

    Raises:
        VerdictError: the folder is missing or damaged, or has no chat template for turns.
    """
    require_folder(folder)
    with damage_explained(folder):
        processor = open_processor(folder)
    return take_form(processor, form, folder)


def load_model(
    folder: Path,
    options: ModelOptions,
    device: str,
    quantization: Quantization | None = None,
    labels: Sequence[str] | None = None,
) -> PreTrainedModel:
    """Load a model in the wanted precision, on ``cpu``, ``cuda`` or ``mps``.

    Args:
        quantization: given and ``load_in_4bit``, the language model's linear layers are held in
            4 bits (bitsandbytes), computing in ``options.dtype``.
        labels: given, the model is a classifier: a ``score`` head of one output a label instead of
            the head that writes words. Where the folder holds no such head, it is new and random
            (from torch's current seed).

    Raises:
        VerdictError: the folder is missing or damaged, lacks some of the weights, or holds a model
            of a kind that cannot do what is wanted.
    """
    require_folder(folder)
    with damage_explained(folder), without_code(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kind = _kind(folder, config, classify=labels is not None)
    dtype = getattr(torch, options.dtype)
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": _attention(config, options.attn_implementation),
        "quantization_config": _bitsandbytes(quantization, dtype),
        # One process a GPU: each has its own.
        "device_map": {"": int(os.environ.get("LOCAL_RANK", 0)) if device == "cuda" else device},
        "use_safetensors": True,
        "local_files_only": True,
    }
    if labels is not None:
        arguments["id2label"] = dict(enumerate(labels))
        arguments["label2id"] = {label: index for index, label in enumerate(labels)}
    with _quiet(), damage_explained(folder), without_code(folder):
        model, report = kind.from_pretrained(
            folder, output_loading_info=True, trust_remote_code=False, **arguments
        )
    missing = set(report["missing_keys"]) - ({"score.weight"} if labels is not None else set())
    if missing or report["mismatched_keys"]:
        names = sorted(missing) + sorted(str(key) for key in report["mismatched_keys"])
        raise VerdictError(
            f"{folder} does not hold all weights of its {type(model).__name__}, and they would be "
            f"random: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}; fetch it again with "
            "`dvc repro --force fetch_model`"
        )
    if labels is not None:
        # The head is read off at the last token that is not padding.
        model.config.pad_token_id = model.config.get_text_config().pad_token_id
    _keep_quantized_weights_exact(model)
    return model


def _attention(config: PreTrainedConfig, wanted: str) -> str | dict[str, str]:
    """Return the attention of each part: what hears in Gemma 4 has eager alone, and is not used."""
    if config.model_type != "gemma4" or config.audio_config is None:
        return wanted
    return {"": wanted, **dict.fromkeys(config.sub_configs, wanted), "audio_config": "eager"}


def _kind(folder: Path, config: PreTrainedConfig, *, classify: bool) -> Any:
    """Return the (auto) class for a model: it classifies, or writes after images or text alone."""
    if classify and config.model_type in ("gemma4", "gemma4_text"):
        return _gemma4_classifier(config)
    if classify and type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return AutoModelForSequenceClassification
    if not classify and type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return AutoModelForImageTextToText
    if not classify and type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    raise VerdictError(
        f"{folder} holds a model of the kind {config.model_type}, which transformers cannot let "
        + ("classify; set model.task=generate" if classify else "write; choose another in models")
    )


def _gemma4_classifier(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """Return the class in which Gemma 4 classifies as Gemma 3 does: transformers has its parts.

    Its name is the one that transformers would give it; it is saved in the model's configuration.
    """
    from transformers.modeling_layers import GenericForSequenceClassification
    from transformers.models.gemma4.modeling_gemma4 import Gemma4PreTrainedModel

    name = type(config).__name__.removesuffix("Config") + "ForSequenceClassification"
    bases = (GenericForSequenceClassification, Gemma4PreTrainedModel)
    return type(name, bases, {"__annotations__": {"config": type(config)}})


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from listing missing weights: they are checked, and the head is new."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _bitsandbytes(
    quantization: Quantization | None, dtype: torch.dtype
) -> BitsAndBytesConfig | None:
    if quantization is None or not quantization.load_in_4bit:
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=quantization.bnb_4bit_use_double_quant,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=NOT_QUANTIZED,
    )


def _keep_quantized_weights_exact(model: Any) -> None:
    """Stop bitsandbytes from re-packing 4-bit weights on CPUs with AVX-512-bf16.

    It does so at the first forward pass without gradients, with loss, so that results would depend
    on the processor and on whether an evaluation came first.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
