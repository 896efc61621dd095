"""Refuse texts that hold a model's own signs: it would read an image, or another's turn, there."""

import re
from collections.abc import Iterable

from transformers import ProcessorMixin

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError


def control_token(processor: ProcessorMixin) -> re.Pattern[str]:
    """Return what finds the special tokens of a tokenizer in a text, the longest at each place."""
    tokens = processor.tokenizer.added_tokens_decoder.values()
    special = sorted((token.content for token in tokens if token.special), key=len, reverse=True)
    # Without special tokens nothing is found.
    return re.compile("|".join(map(re.escape, special)) or r"(?!)")


def check_control_tokens(conversations: Iterable[Conversation], processor: ProcessorMixin) -> None:
    """Look through all texts of prompts and answers.

    Raises:
        VerdictError: one holds a control token; it names the first such record and their number.
    """
    pattern = control_token(processor)
    known: dict[str, str | None] = {}
    found: dict[str, str] = {}
    for conversation in conversations:
        for message in [*conversation.prompt, *conversation.completion]:
            for part in message["content"]:
                text = part.get("text", "")
                if text not in known:
                    match = pattern.search(text)
                    known[text] = match[0] if match else None
                if token := known[text]:
                    found.setdefault(conversation.id, token)
    for record, token in found.items():
        raise VerdictError(
            f"record {record} holds {token}, which the model takes for a sign of its own; so do "
            f"{len(found):,} records in all. Take it out of their texts, or of format.system, "
            "format.prompt or format.answers"
        )
