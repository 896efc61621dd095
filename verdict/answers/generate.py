"""Let a model answer in its own words: greedy, batched, stopping at the end of the turn."""

from typing import Any

import torch
from transformers import ProcessorMixin

#: What a model's own generation_config.json may ask for; greedy means the likeliest token alone.
_LEFT_OUT = dict.fromkeys(
    (
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "epsilon_cutoff",
        "eta_cutoff",
        "repetition_penalty",
        "no_repeat_ngram_size",
    )
)


@torch.inference_mode()
def generate_answers(
    model: Any,
    processor: ProcessorMixin,
    inputs: dict[str, torch.Tensor],
    *,
    end_of_turn: int,
    max_new_tokens: int,
) -> list[str]:
    """Return the text that the model generates for each row of a batch of unpadded prompts.

    At each step it is the likeliest token, whatever the model's own generation settings are, up to
    the end of the turn.
    """
    tokenizer = processor.tokenizer
    ends = [end_of_turn, tokenizer.eos_token_id]
    output = model.generate(
        **inputs,
        **_LEFT_OUT,
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    answers = output[:, inputs["input_ids"].shape[1] :].tolist()
    return [
        text.strip()
        for text in tokenizer.batch_decode(
            [_up_to(ends, answer) for answer in answers], skip_special_tokens=True
        )
    ]


def _up_to(ends: list[int], tokens: list[int]) -> list[int]:
    """Return the tokens before the first of ``ends``; rows that end early are filled up."""
    return next((tokens[:i] for i, token in enumerate(tokens) if token in ends), tokens)
