"""What a batch holds: the same prompt as in evaluation, and only the answer to learn."""

from typing import Any

import pytest

from testing.tiny import LABELS, Tiny

torch = pytest.importorskip("torch")


def collate(tiny: Tiny, count: int = 3, labels: list[str] | None = None) -> tuple[Any, Any]:
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows

    processor = load_processor(tiny.base)
    rows = training_rows(tiny.conversations, tiny.images)
    return processor, Collator(processor, labels)([rows[i] for i in range(count)])


def test_only_the_answer_and_the_end_of_turn_are_learned(tiny: Tiny) -> None:
    processor, batch = collate(tiny)
    for row, conversation in zip(batch["labels"], tiny.conversations, strict=False):
        learned = processor.tokenizer.decode(row[row != -100])
        answer = conversation.completion[0]["content"][0]["text"]
        assert learned == f"{answer}<end_of_turn>\n"


def test_a_row_has_one_bos_and_all_its_image_tokens(tiny: Tiny) -> None:
    processor, batch = collate(tiny)
    tokenizer = processor.tokenizer
    for row in batch["input_ids"]:
        assert (row == tokenizer.bos_token_id).sum() == 1
        assert (row == tokenizer.image_token_id).sum() == processor.image_seq_length
    assert batch["token_type_ids"].sum() == 3 * processor.image_seq_length


def test_evaluation_asks_what_training_taught(tiny: Tiny) -> None:
    from verdict.answers.batches import batches
    from verdict.models.chat import candidate_ids

    processor, batch = collate(tiny, count=2)
    asked = next(batches(processor, tiny.conversations[:2], tiny.images, 2, "cpu"))
    length = asked.inputs["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"][:, :length], asked.inputs["input_ids"])
    assert torch.equal(batch["pixel_values"], asked.inputs["pixel_values"])
    candidates = candidate_ids(processor, tiny.conversations[0].prompt, tiny.answers)
    learned = batch["labels"][0][batch["labels"][0] != -100].tolist()
    assert learned[: len(candidates[0])] == candidates[0]
    assert candidates[0][-1] == processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")


def test_a_classifiers_rows_are_the_same_prompts_with_an_index(tiny: Tiny) -> None:
    _, written = collate(tiny)
    _, batch = collate(tiny, labels=LABELS)
    assert batch["labels"].tolist() == [LABELS.index(c.label) for c in tiny.conversations[:3]]
    assert batch["positions"].tolist() == [0, 1, 2]
    length = batch["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"], written["input_ids"][:, :length])
    assert torch.equal(batch["token_type_ids"], written["token_type_ids"][:, :length])
