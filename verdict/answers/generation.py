"""Let a model answer in its own words: greedy, batched, stopping at the end of the turn."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from transformers import ProcessorMixin

from verdict.answers.prefill import CANNOT, Prefill
from verdict.parse import THOUGHT_MARKS

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


class Writer:
    """Lets one model write, from what was read of the prompts for scoring where it can.

    That the first batch of each kind is written twice, from there and from the prompts' beginning,
    and the two are compared, finds a model that cannot.

    Attributes:
        ways: for each kind of batch (the names of its inputs) how it is written to: ``on`` (from
            what was read) or ``anew``. One ``anew`` holds for all, and of a kind that stands here
            nothing is compared any more.
    """

    def __init__(self, model: Any, processor: ProcessorMixin, max_new_tokens: int):
        self._write = partial(generate_answers, model, processor, max_new_tokens=max_new_tokens)
        self.ways: dict[str, str] = {}

    def __call__(
        self, inputs: Mapping[str, torch.Tensor], read: Prefill | None, *, end_of_turn: int
    ) -> list[str]:
        """Return the text that the model generates for each row, as ``generate_answers`` does.

        Args:
            read: what was read of the same prompts; None if nothing was.
        """
        kind = " ".join(sorted(inputs))
        if read is not None and "anew" not in self.ways.values():
            try:
                texts = self._write(inputs, end_of_turn=end_of_turn, read=read)
            except torch.OutOfMemoryError:
                raise
            except CANNOT:
                if kind in self.ways:
                    raise
                texts = []
            if kind in self.ways:
                return texts
            anew = self._write(inputs, end_of_turn=end_of_turn)
            self.ways[kind] = "on" if texts == anew else "anew"
            return anew
        return self._write(inputs, end_of_turn=end_of_turn)


@torch.inference_mode()
def generate_answers(
    model: Any,
    processor: ProcessorMixin,
    inputs: Mapping[str, torch.Tensor],
    *,
    end_of_turn: int,
    max_new_tokens: int,
    read: Prefill | None = None,
) -> list[str]:
    """Return the text that the model generates for each row of a batch of unpadded prompts.

    At each step it is the likeliest token, whatever the model's own generation settings are, up to
    the end of the turn. Marks of a thought stay in the text, for ``verdict.parse.separate``.

    Args:
        read: what was read of these prompts, so that the model need not begin with them again.
    """
    tokenizer = processor.tokenizer
    ends = [end_of_turn, tokenizer.eos_token_id]
    given: dict[str, Any] = dict(inputs)
    if read is not None:
        # Images are among what was read.
        given = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
        given["past_key_values"] = read.cache()
    output = model.generate(
        **given,
        **_LEFT_OUT,
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    answers = output[:, inputs["input_ids"].shape[1] :].tolist()
    marks = {tokenizer.convert_tokens_to_ids(mark): mark for pair in THOUGHT_MARKS for mark in pair}
    marks.pop(tokenizer.unk_token_id, None)
    return [_text(tokenizer, _up_to(ends, answer), marks) for answer in answers]


def _text(tokenizer: Any, tokens: list[int], marks: dict[int, str]) -> str:
    """Return tokens as text, of the special ones those alone that mark a thought."""
    text, piece = "", list[int]()
    for token in tokens:
        if token in marks:
            text += tokenizer.decode(piece, skip_special_tokens=True) + marks[token]
            piece = []
        else:
            piece.append(token)
    return (text + tokenizer.decode(piece, skip_special_tokens=True)).strip()


def _up_to(ends: list[int], tokens: list[int]) -> list[int]:
    """Return the tokens before the first of ``ends``; rows that end early are filled up."""
    return next((tokens[:i] for i, token in enumerate(tokens) if token in ends), tokens)
