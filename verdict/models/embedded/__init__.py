"""The embedded tiny Gemma 3: built from a seed, pre-trained on generic shapes.

It stands in for ``google/gemma-3-4b-it`` where there is neither network nor GPU: the same classes
of transformers, loaded by the same code. It has seen shapes and the recipes' words, never a
lesion.
"""

from pathlib import Path

from transformers import GenerationConfig
from transformers.utils import logging

from verdict.files import replacing
from verdict.models.embedded.architecture import IMAGE_SIZE, IMAGE_TOKENS, build_untrained
from verdict.models.embedded.pretraining import pretrain
from verdict.models.embedded.tokenizer import build_processor
from verdict.reproducibility import make_deterministic


def build_model(folder: Path, *, seed: int, steps: int) -> None:
    """Write a complete base model: weights, configuration, tokenizer and processor.

    The bytes depend on ``seed``, ``steps`` and the instruction set alone; call
    ``reproducibility.pin_cpu`` before torch is imported.
    """
    make_deterministic(seed)
    processor = build_processor(IMAGE_SIZE, IMAGE_TOKENS)
    tokenizer = processor.tokenizer
    model = build_untrained(tokenizer)
    pretrain(model, processor, seed=seed, steps=steps)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.convert_tokens_to_ids("<end_of_turn>"), tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    logging.disable_progress_bar()  # the files are small
    with replacing(folder) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)
