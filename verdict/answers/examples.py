"""Few-shot prompting: answered records of the training split that stand before each question."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from verdict.conversations import Conversation, Message, read_conversations
from verdict.core.errors import VerdictError
from verdict.params.evaluation import Examples


def read_examples(
    name: str, options: Examples | None, chat: Path, labels: Sequence[str]
) -> list[Conversation]:
    """Return the examples that a model is shown, the same before every question; mostly none.

    Args:
        name: of the model.
        chat: the folder of conversations.
        labels: of the task; none where it is free text.

    Raises:
        VerdictError: the conversations are missing, or the training split has too few.
    """
    if options is None:
        return []
    training = read_conversations(chat / "train.jsonl")
    try:
        return choose_examples(training, options, labels)
    except VerdictError as error:
        raise VerdictError(f"evaluate.models.{name}.examples: {error}") from None


def choose_examples(
    training: Sequence[Conversation], options: Examples, labels: Sequence[str]
) -> list[Conversation]:
    """Return ``options.count`` records: each label in turn, no two of one group.

    Records come in the order of the SHA-256 of seed and id, also among the chosen, so that a record
    more or less in the training split changes little, and labels do not alternate.

    Raises:
        VerdictError: a label has too few records of groups that are not taken.
    """

    def drawn(row: Conversation) -> bytes:
        return hashlib.sha256(f"{options.seed} {row.id}".encode()).digest()

    order = sorted(training, key=drawn)
    turns: Sequence[str | None] = labels or [None]
    chosen: list[Conversation] = []
    taken: set[str | None] = set()
    for turn in range(options.count):
        label = turns[turn % len(turns)]
        alike = (row for row in order if not labels or row.label == label)
        found = next((row for row in alike if taken.isdisjoint(_groups(row))), None)
        if found is None:
            what = f" with the label {label}" if labels else ""
            raise VerdictError(
                f"count is {options.count:,}, but after {len(chosen):,} examples of different "
                f"groups, each label in turn, the training split has no other group{what}; lower it"
            )
        chosen.append(found)
        taken |= _groups(found)
    return sorted(chosen, key=drawn)


def behind(examples: Sequence[Conversation], prompt: list[Message]) -> list[Message]:
    """Return a prompt with the turns of examples between its system message and its question."""
    turns = [message for one in examples for message in (*one.prompt, *one.completion)]
    system = [message for message in prompt if message["role"] == "system"]
    rest = [message for message in (*turns, *prompt) if message["role"] != "system"]
    return [*system, *rest]


def _groups(row: Conversation) -> set[str]:
    return {group for group in (row.group, row.other_group) if group is not None}
