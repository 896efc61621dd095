"""Load processors and models from folders on disk; nothing comes from the network here."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    AutoProcessor,
    BitsAndBytesConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.utils import logging

from verdict.errors import VerdictError
from verdict.params_training import ModelOptions, Quantization

#: Kept out of 4-bit: the heads, and the small part that turns pixels into tokens. Full names, since
#: ``vision_tower`` alone matches nothing, and naming any drops the default (``lm_head``).
NOT_QUANTIZED = ["lm_head", "score", "model.vision_tower", "model.multi_modal_projector"]


def load_processor(folder: Path) -> ProcessorMixin:
    """Load the processor with Pillow as image backend.

    transformers prefers torchvision where that is installed, whose resize gives other pixels: the
    backend is named so that a result does not depend on what happens to be installed.
    """
    _require(folder)
    return AutoProcessor.from_pretrained(folder, backend="pil", local_files_only=True)


def load_model(
    folder: Path,
    options: ModelOptions,
    device: str,
    quantization: Quantization | None = None,
    labels: Sequence[str] | None = None,
) -> PreTrainedModel:
    """Load a model in the wanted precision, on ``cpu`` or ``cuda``.

    Args:
        quantization: given and ``load_in_4bit``, the language model's linear layers are held in
            4 bits (bitsandbytes), computing in ``options.dtype``.
        labels: given, the model is a classifier: a ``score`` head of one output a label instead of
            the head that writes words. Where the folder holds no such head, it is new and random
            (from torch's current seed).

    Raises:
        VerdictError: the folder is missing, or lacks some of the weights.
    """
    _require(folder)
    dtype = getattr(torch, options.dtype)
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": options.attn_implementation,
        "quantization_config": _bitsandbytes(quantization, dtype),
        # One process a GPU: each has its own.
        "device_map": {"": int(os.environ.get("LOCAL_RANK", 0)) if device == "cuda" else device},
        "use_safetensors": True,
        "local_files_only": True,
    }
    kind: Any = AutoModelForImageTextToText
    if labels is not None:
        kind = AutoModelForSequenceClassification
        arguments["id2label"] = dict(enumerate(labels))
        arguments["label2id"] = {label: index for index, label in enumerate(labels)}
    with _quiet():
        model, report = kind.from_pretrained(folder, output_loading_info=True, **arguments)
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from listing missing weights: they are checked, and the head is new."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise VerdictError(f"{folder} is not here; run `dvc repro` or `dvc pull` first")


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
