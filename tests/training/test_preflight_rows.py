"""Pre-flight refuses rows and batches that are not what they should be."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from testing.preflight import CLASSIFY, Change, Flight, blind
from testing.tiny import LABELS, Tiny
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")


def template(old: str, new: str) -> Change:
    def edit(processor: Any) -> None:
        assert old in processor.chat_template
        processor.chat_template = processor.chat_template.replace(old, new)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            template("{{- bos_token -}}", "{{- bos_token -}}{{- bos_token -}}"),
            "row r00 has 2 times the token <bos>",
        ),
        (template("{{- bos_token -}}", ""), "row r00 has 0 times the token <bos>"),
        (
            template("{{- '<end_of_turn>\\n' -}}", "{{- '\\n' -}}"),
            r"row r00: after the answer the chat template writes '\\n', where the end of turn",
        ),
        (
            template("{{- '<end_of_turn>\\n' -}}", "{{- '<end_of_turn><end_of_turn>\\n' -}}"),
            "row r00: after the answer the chat template writes",
        ),
        (
            template("part['text'] | trim", "part['text'] | trim | upper"),
            "row r00: the chat template writes 'NO, THIS DOES",
        ),
        (
            template("{{- bos_token -}}", "{{- bos_token -}}{{- messages | length -}}"),
            "row r00: the chat template writes the prompt differently once an answer follows",
        ),
    ],
)
def test_a_wrong_chat_template_is_refused(tiny: Tiny, edit: Change, message: str) -> None:
    with pytest.raises(VerdictError, match=message):
        Flight(tiny, edit_processor=edit).run()


def learn_the_prompt(batch: dict[str, Any]) -> None:
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)


def shift_the_labels(batch: dict[str, Any]) -> None:
    batch["labels"] = batch["labels"].roll(-1, 1)


def cut(batch: dict[str, Any]) -> None:
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        batch[name] = batch[name][:, :-3]


def other_words(batch: dict[str, Any]) -> None:
    batch["input_ids"][:, 5] += 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (learn_the_prompt, r"row r\d\d would learn '<bos><start_of_turn>user"),
        (shift_the_labels, r"row r\d\d: the labels do not stand at the tokens that they name"),
        (blind, r"row r\d\d has 16 image tokens, but its batch has no pixel_values"),
        (other_words, r"row r\d\d: its batch holds other tokens than its conversation"),
        (lambda batch: batch.pop("attention_mask"), "the batches have no attention_mask"),
        (lambda batch: batch.pop("token_type_ids"), "token_type_ids does not mark the image"),
        (lambda batch: batch["token_type_ids"].zero_(), "token_type_ids does not mark the image"),
    ],
)
def test_a_batch_that_is_not_what_its_rows_say_is_refused(
    tiny: Tiny, change: Change, message: str
) -> None:
    flight = Flight(tiny)
    flight.edit_batches(change)
    with pytest.raises(VerdictError, match=message):
        flight.run()


def test_a_cut_row_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, model=CLASSIFY)
    flight.edit_batches(cut)
    with pytest.raises(VerdictError, match=r"row r\d\d is cut off: 79 of 82 tokens"):
        flight.run()


def test_labels_in_another_order_than_the_models_are_refused(tiny: Tiny) -> None:
    from verdict.training.rows import Collator

    flight = Flight(tiny, model=CLASSIFY)
    flight.trainer.data_collator = Collator(flight.processor, LABELS[::-1])
    with pytest.raises(VerdictError, match=r"row r\d\d would learn '(benign|melanoma)', where"):
        flight.run()


def test_a_row_longer_than_the_model_reads_is_refused(tiny: Tiny) -> None:
    rows = list(tiny.conversations)
    prompt = copy.deepcopy(rows[5].prompt)
    prompt[-1]["content"][1]["text"] += " melanoma" * 500
    rows[5] = replace(rows[5], prompt=prompt)
    message = r"row r05 has 59\d tokens, but the model reads at most 512 .* 1 of 12 rows"
    with pytest.raises(VerdictError, match=message):
        Flight(tiny, conversations=rows).run()


def test_a_shorter_model_is_noticed(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.model.config.get_text_config().max_position_embeddings = 92
    # The longer of the two answers takes 93 tokens.
    with pytest.raises(VerdictError, match="so have 6 of 12 rows"):
        flight.run()


def lose_an_image_token(batch: dict[str, Any]) -> None:
    image = batch["token_type_ids"] == 1
    batch["input_ids"][image & (image.cumsum(1) == 1)] += 1


def test_another_number_of_image_tokens_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.edit_batches(lose_an_image_token)
    with pytest.raises(VerdictError, match=r"row r\d\d has 15 image tokens instead of 16"):
        flight.run()


def test_image_tokens_are_those_that_the_processor_writes_whatever_it_names(tiny: Tiny) -> None:
    flight = Flight(tiny)
    # Gemma 4's names the most that it would write.
    flight.processor.image_seq_length = 70
    assert flight.run().as_json()["image_tokens"] == {"image_tokens_a_row": [16]}
