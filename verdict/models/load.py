"""Load processors and models from folders on disk; nothing comes from the network here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    PreTrainedModel,
    ProcessorMixin,
)

from verdict.errors import VerdictError
from verdict.params import ModelOptions, Quantization

if TYPE_CHECKING:
    from peft import PeftModel

#: Kept out of 4-bit: the head, and the small part that turns pixels into tokens. Full names, since
#: ``vision_tower`` alone matches nothing, and naming any drops the default (``lm_head``).
NOT_QUANTIZED = ["lm_head", "model.vision_tower", "model.multi_modal_projector"]

ADAPTER_CONFIG = "adapter_config.json"


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
) -> PreTrainedModel:
    """Load an image-text-to-text model in the wanted precision, on ``cpu`` or ``cuda``.

    Args:
        quantization: given and ``load_in_4bit``, the language model's linear layers are held in
            4 bits (bitsandbytes), computing in ``options.dtype``.

    Raises:
        VerdictError: the folder is missing or holds no safetensors weights.
    """
    _require(folder)
    dtype = getattr(torch, options.dtype)
    model = AutoModelForImageTextToText.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation=options.attn_implementation,
        quantization_config=_bitsandbytes(quantization, dtype),
        device_map={"": device},
        use_safetensors=True,
        local_files_only=True,
    )
    _keep_quantized_weights_exact(model)
    return model


def load_for_inference(
    folder: Path, adapter: Path, options: ModelOptions, device: str
) -> "tuple[PreTrainedModel | PeftModel, ProcessorMixin]":
    """Load what answers questions: a model alone, or with an adapter laid over it.

    Args:
        adapter: an adapter's folder, or the model's own ``config.json`` where there is none.

    Returns:
        The model in evaluation mode, and the processor saved beside its adapter or weights.
    """
    model = load_model(folder, options, device)
    if not (adapter / ADAPTER_CONFIG).exists():
        if adapter.name != "config.json":
            raise VerdictError(f"{adapter} holds no adapter; run `dvc repro train` or `dvc pull`")
        return model.eval(), load_processor(folder)
    from peft import PeftModel

    return PeftModel.from_pretrained(model, adapter).eval(), load_processor(adapter)


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
