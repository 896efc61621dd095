"""Render conversations as a model reads them, and make batches without padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ProcessorMixin

from verdict.models.rows import count_images, images_of
from verdict.records.conversations import Answers, Conversation, Message
from verdict.records.shards import ImageStore


@dataclass(frozen=True)
class Batch:
    """Conversations whose prompts have the same number of tokens, and their model inputs."""

    conversations: list[Conversation]
    inputs: dict[str, torch.Tensor]


def render_prompt(processor: ProcessorMixin, prompt: list[Message]) -> str:
    """Render the messages up to where the model's answer begins; it carries its own BOS."""
    return processor.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)


def render_completion(processor: ProcessorMixin, prompt: list[Message], answer: str) -> str:
    """Render an answer as the model should write it: the text and the end of the turn."""
    turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    whole = processor.apply_chat_template([*prompt, turn], tokenize=False)
    return whole.removeprefix(render_prompt(processor, prompt)).rstrip()


def answer_of(conversation: Conversation) -> str:
    """Return the text of the model's turn, without the space around it."""
    content = conversation.completion[0]["content"]
    return (content if isinstance(content, str) else content[0]["text"]).strip()


def end_of_turn_id(processor: ProcessorMixin, prompt: list[Message]) -> int:
    """Return the token with which the model ends its turn, whatever it answers."""
    completion = render_completion(processor, prompt, "answer")
    return processor.tokenizer(completion, add_special_tokens=False).input_ids[-1]


def candidate_ids(
    processor: ProcessorMixin, prompt: list[Message], answers: Answers
) -> list[list[int]]:
    """Return the token ids of each candidate answer, ending with the end-of-turn token."""
    return [
        processor.tokenizer(
            render_completion(processor, prompt, answer), add_special_tokens=False
        ).input_ids
        for answer in answers.answers.values()
    ]


def batches(
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    images: ImageStore,
    batch_size: int,
    device: str,
) -> Iterator[Batch]:
    """Yield batches of prompts of equal length, shortest first; with as many images each.

    Left padding under scaled-dot-product attention can change a row's result
    (transformers#47651); rows of one length need none, so the batch size changes nothing.
    """
    texts = {
        conversation.id: render_prompt(processor, conversation.prompt)
        for conversation in conversations
    }
    alike: dict[tuple[int, int], list[Conversation]] = {}
    for conversation in conversations:
        ids = processor.tokenizer(texts[conversation.id], add_special_tokens=False).input_ids
        key = len(ids), count_images(conversation.prompt)
        alike.setdefault(key, []).append(conversation)
    for (_, pictured), rows in sorted(alike.items()):
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            inputs: Any = processor(
                images=[images_of(row, images) for row in chosen] if pictured else None,
                text=[texts[row.id] for row in chosen],
                return_tensors="pt",
                add_special_tokens=False,
            )
            yield Batch(chosen, {name: value.to(device) for name, value in inputs.items()})
