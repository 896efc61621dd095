"""A tiny model that reads text alone, and pairs of names as its records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from testing.tiny import SPLIT, Tiny, open_tiny, record_of, write_records
from verdict.params.data import Format


def build_text_tiny(
    folder: Path, build: Callable[[Any], Any] | None = None, options: Format | None = None
) -> Tiny:
    """Build a base that reads text alone, untrained, and twenty pairs of names as records.

    The folder has what that of google/gemma-3-1b-it has: a tokenizer, but no processor.

    Args:
        build: makes the model for a tokenizer; a Gemma 3 by default.
        options: how they are asked about, ``PAIRS`` by default; a plain form without chat template.
    """
    import torch

    from verdict.tiny_models.tokenizer import CHAT_TEMPLATE, build_tokenizer

    tokenizer = build_tokenizer()
    options = options or PAIRS
    tokenizer.chat_template = CHAT_TEMPLATE if options.form == "turns" else None
    torch.manual_seed(1)
    (build or _gemma3_for_text)(tokenizer).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    write_texts(folder, options)
    return open_tiny(folder)


def _gemma3_for_text(tokenizer: Any) -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=32,
            query_pre_attn_scalar=32,
            max_position_embeddings=512,
            # Shorter than the prompts; of two layers, the second attends to everything.
            sliding_window=16,
            layer_types=["sliding_attention", "full_attention"],
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


#: How the pairs of names are asked about.
PAIRS = Format(
    form="turns",
    system="You compare records.",
    prompt="Are these the same?\n{text}",
    answers={"different": "No, different.", "same": "Yes, the same."},
    positive="same",
)
#: The same, as a model that is only pre-trained is asked.
PLAIN = PAIRS.model_copy(update={"form": "plain", "prompt": "Are these the same?\n{text}\nAnswer:"})
#: The same records as a free-text task.
FREE = PAIRS.model_copy(update={"answers": None, "positive": None})


def write_texts(folder: Path, options: Format = PAIRS) -> None:
    """Write records of text alone, and their conversations."""
    rows = [
        {
            **record_of(i),
            "text": f"A: green shape {'green ' * (i % 3)}{i}\nB: red shape {i + i % 2}",
            "label": ("different", "same")[i % 2] if options.answers else None,
            "answer": None if options.answers else f"red shape {'red ' * (i % 4)}{i}",
        }
        for i in range(len(SPLIT))
    ]
    write_records(folder, rows, options)
