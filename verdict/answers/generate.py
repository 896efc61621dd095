"""Let a model answer in its own words: greedy, batched, stopping at the end of the turn."""

from typing import Any

import torch
from transformers import ProcessorMixin


@torch.inference_mode()
def generate_answers(
    model: Any,
    processor: ProcessorMixin,
    inputs: dict[str, torch.Tensor],
    *,
    end_of_turn: int,
    max_new_tokens: int,
) -> list[str]:
    """Return the text that the model generates for each row of a batch of unpadded prompts."""
    tokenizer = processor.tokenizer
    output = model.generate(
        **inputs,
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=[end_of_turn, tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    answers = output[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(answers, skip_special_tokens=True)]
