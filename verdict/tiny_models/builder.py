"""Build a tiny model by its architecture and its lessons, and write it as a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import logging

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.params.data import EmbeddedModel
from verdict.reproducibility import make_deterministic
from verdict.tiny_models import comparisons, pretraining, reading
from verdict.tiny_models.architecture import (
    FOR_TEXTS,
    IMAGE_SIZE,
    IMAGE_TOKENS,
    build_untrained,
    build_untrained_text,
)
from verdict.tiny_models.gemma3n import build_gemma3n_processor, build_untrained_gemma3n
from verdict.tiny_models.gemma4 import build_gemma4_processor, build_untrained_gemma4
from verdict.tiny_models.tokenizer import build_processor, build_text_tokenizer

#: A model, and its processor; a model of text alone has its tokenizer instead.
Built = tuple[PreTrainedModel, Any]


def build_model(folder: Path, options: EmbeddedModel) -> None:
    """Write a complete base model: weights, configuration, tokenizer and, for images, processor.

    The bytes depend on ``options`` and the instruction set alone; call
    ``reproducibility.pin_cpu`` before torch is imported.

    Raises:
        VerdictError: the architecture has no such lessons.
    """
    build = _BUILDERS.get((options.architecture, options.lessons))
    if build is None:
        possible = " or ".join(
            lessons for name, lessons in _BUILDERS if name == options.architecture
        )
        raise VerdictError(
            f"params.yaml: an embedded {options.architecture} cannot have the lessons "
            f"{options.lessons}; set models.*.embedded.lessons to {possible}, or choose another "
            "architecture"
        )
    make_deterministic(options.seed)
    model, processor = build(options)
    tokenizer: Any = getattr(processor, "tokenizer", processor)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[
            tokenizer.convert_tokens_to_ids(tokenizer.eot_token),
            tokenizer.eos_token_id,
        ],
        pad_token_id=tokenizer.pad_token_id,
    )
    logging.disable_progress_bar()  # the files are small
    with replacing(folder) as partial:
        model.bfloat16().save_pretrained(partial)  # as published models are
        processor.save_pretrained(partial)


def _gemma3_shapes(options: EmbeddedModel) -> Built:
    processor = build_processor(IMAGE_SIZE, IMAGE_TOKENS)
    model = build_untrained(processor.tokenizer)
    pretraining.pretrain(model, processor, seed=options.seed, steps=options.steps)
    return model, processor


def _gemma3n_shapes(options: EmbeddedModel) -> Built:
    processor = build_gemma3n_processor()
    model = build_untrained_gemma3n(processor.tokenizer)
    pretraining.pretrain(model, processor, seed=options.seed, steps=options.steps)
    return model, processor


def _gemma4_shapes(options: EmbeddedModel) -> Built:
    processor = build_gemma4_processor()
    model = build_untrained_gemma4(processor.tokenizer)
    pretraining.pretrain(model, processor, seed=options.seed, steps=options.steps)
    return model, processor


def _gemma3_comparisons(options: EmbeddedModel) -> Built:
    processor = build_processor(IMAGE_SIZE, IMAGE_TOKENS, comparisons.corpus())
    model = build_untrained(processor.tokenizer, FOR_TEXTS)
    reading.pretrain(model, processor.tokenizer, seed=options.seed, steps=options.steps)
    return model, processor


def _gemma3_text_comparisons(options: EmbeddedModel) -> Built:
    tokenizer = build_text_tokenizer(comparisons.corpus())
    model = build_untrained_text(tokenizer)
    reading.pretrain(model, tokenizer, seed=options.seed, steps=options.steps)
    return model, tokenizer


_BUILDERS: dict[tuple[str, str], Callable[[EmbeddedModel], Built]] = {
    ("gemma3", "shapes"): _gemma3_shapes,
    ("gemma3", "comparisons"): _gemma3_comparisons,
    ("gemma3_text", "comparisons"): _gemma3_text_comparisons,
    ("gemma3n", "shapes"): _gemma3n_shapes,
    ("gemma4", "shapes"): _gemma4_shapes,
}
