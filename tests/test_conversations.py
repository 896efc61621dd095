import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from stages.format import check_subgroups
from tests.splitting.test_splitting import record
from verdict.conversations import (
    Answers,
    Conversation,
    converse,
    read_answers,
    read_conversations,
    write_chat,
)
from verdict.core.errors import VerdictError
from verdict.params.data import Format
from verdict.records.shards import Record


@pytest.fixture
def options(committed_params: dict[str, Any]) -> Format:
    return Format(**committed_params["format"])


def test_the_published_conversation_with_the_image_first(options: Format) -> None:
    conversation = converse(record(1, 1, "melanoma"), options)
    assert conversation.prompt == [
        {
            "role": "system",
            "content": [
                {
                    "type": "text",
                    "text": "You are a dermatology assistant that helps identify potential "
                    "melanoma from skin lesion images.",
                }
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "image"},
                {
                    "type": "text",
                    "text": "This is a skin lesion image. Does this appear to be malignant "
                    "melanoma? Please explain your reasoning and conclude with either 'Yes, this "
                    "appears to be malignant melanoma.' or 'No, this does not appear to be "
                    "malignant melanoma.'",
                },
            ],
        },
    ]
    answer = conversation.completion[0]["content"][0]["text"]
    assert answer == "Yes, this appears to be malignant melanoma."


def test_chat_survives_writing(options: Format, tmp_path: Path) -> None:
    records = [record(i, i, "melanoma" if i % 2 else "benign") for i in range(6)]
    splits = {r.id: ("train", "validation", "test")[i % 3] for i, r in enumerate(records)}
    write_chat(tmp_path / "chat", records, splits, options)
    rows = read_conversations(tmp_path / "chat/test.jsonl")
    assert [row.id for row in rows] == ["r0002", "r0005"]
    assert rows[0] == converse(records[2], options)
    answers = read_answers(tmp_path / "chat")
    assert (answers.labels, answers.positive) == (["benign", "melanoma"], "melanoma")
    assert rows[0].other_group is None
    assert "bytes" not in json.dumps(rows[0].prompt)


def test_both_groups_of_a_pair_survive_writing(options: Format, tmp_path: Path) -> None:
    pair = replace(record(1, 1, "melanoma"), other_group="p2")
    write_chat(tmp_path / "chat", [pair], {pair.id: "test"}, options)
    (row,) = read_conversations(tmp_path / "chat/test.jsonl")
    assert (row.group, row.other_group) == (pair.group, "p2")


def test_a_label_without_an_answer_is_named(options: Format) -> None:
    with pytest.raises(VerdictError, match=r"record r0001 has label 'wart', .* benign, melanoma"):
        converse(record(1, 1, "wart"), options)


def test_splits_of_other_records_are_refused(options: Format, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="do not belong to these records"):
        write_chat(tmp_path / "chat", [record(1, 1, "benign")], {"other": "train"}, options)


def test_a_records_text_takes_its_place_in_the_prompt(options: Format) -> None:
    one = record(1, 1, "melanoma")
    asking = options.model_copy(update={"prompt": "Same entity?\n{text}\nAnswer."})
    pair = replace(one, text="A: x {y}\nB: z", has_image=False)
    (user,) = [m for m in converse(pair, asking).prompt if m["role"] == "user"]
    assert user["content"] == [{"type": "text", "text": "Same entity?\nA: x {y}\nB: z\nAnswer."}]
    with pytest.raises(VerdictError, match=r"has no text, but format\.prompt has a place for it"):
        converse(one, asking)
    with pytest.raises(VerdictError, match=r"has a text, but format\.prompt has no place"):
        converse(pair, options)


def types(conversation: Conversation) -> list[str]:
    return [part.get("text", "IMAGE") for part in conversation.prompt[-1]["content"]]


def test_images_stand_where_the_prompt_has_their_marks(options: Format) -> None:
    two = replace(record(1, 1, "melanoma"), further_sha256=("b",), text="{image 2} years")
    asking = options.model_copy(
        update={"prompt": "Before: {image 1}\n{image 2}\nAfter {text}. Malignant?"}
    )
    found = types(converse(two, asking))
    # What a record says is text, whatever it looks like.
    assert found == ["Before: ", "IMAGE", "IMAGE", "\nAfter {image 2} years. Malignant?"]
    behind = options.model_copy(update={"prompt": "Malignant? {text}{image 1}"})
    one = replace(two, further_sha256=())
    assert types(converse(one, behind)) == ["Malignant? {image 2} years", "IMAGE"]
    without = options.model_copy(update={"prompt": "Malignant? {text}"})
    assert types(converse(two, without)) == ["IMAGE", "IMAGE", "Malignant? {image 2} years"]


@pytest.mark.fault("tables")
def test_a_record_with_another_number_of_images_than_marks_is_named(options: Format) -> None:
    asking = options.model_copy(update={"prompt": "{image 1} and {image 2}?"})
    one = record(1, 1, "melanoma")
    for images, said in (((), "1 image"), (("b", "c"), "3 images")):
        with pytest.raises(
            VerdictError, match=rf"record r0001 has {said}, but format\.prompt has marks for 2"
        ):
            converse(replace(one, further_sha256=images), asking)
    with pytest.raises(VerdictError, match=r"record r0001 has 0 images"):
        converse(replace(one, has_image=False), asking)


@pytest.mark.parametrize(
    "prompt",
    ["{image 2} {image 1}?", "{image 1} {image 3}?", "{image 1} {image 1}?", "{image}?",
     "{image1}?", "{Image 1}?", "{image 0}?", "{image:prior}?"],
)  # fmt: skip
@pytest.mark.fault("parameters")
def test_marks_that_are_not_in_order_are_refused(options: Format, prompt: str) -> None:
    with pytest.raises(ValidationError, match=r"marks .* where \{image 1\}.* is due"):
        Format(**{**options.model_dump(), "prompt": prompt})
    # Whoever changes the prompt otherwise, such as tools.predict, is told by the record.
    with pytest.raises(VerdictError, match="record r0001 cannot be asked about: the prompt has"):
        converse(record(1, 1, "melanoma"), options.model_copy(update={"prompt": prompt}))


def test_marks_in_the_system_text_are_refused(options: Format) -> None:
    with pytest.raises(ValidationError, match="system has marks for images"):
        Format(**{**options.model_dump(), "system": "Look at {image 1}."})


def test_free_text_learns_the_records_own_answer(options: Format, tmp_path: Path) -> None:
    one = record(1, 1, "melanoma")
    asking = options.model_copy(update={"prompt": "{text}", "answers": None, "positive": None})
    question = replace(one, label=None, text="Which plane?", answer="Axial.")
    conversation = converse(question, asking)
    assert conversation.completion[0]["content"] == [{"type": "text", "text": "Axial."}]
    assert conversation.prompt[-1]["content"][0] == {"type": "image"}
    with pytest.raises(VerdictError, match="has no answer of its own"):
        converse(replace(question, answer=" "), asking)
    write_chat(tmp_path / "chat", [question], {question.id: "train"}, asking)
    assert read_answers(tmp_path / "chat") == Answers({}, None)


def test_records_without_a_split_are_left_out(options: Format, tmp_path: Path) -> None:
    one = record(1, 1, "melanoma")
    other = replace(one, id="other")
    write_chat(tmp_path / "chat", [one, other], {one.id: "train"}, options)
    assert [row.id for row in read_conversations(tmp_path / "chat" / "train.jsonl")] == [one.id]


def test_subgroups_that_no_test_record_has_are_told_before_training() -> None:
    params: Any = SimpleNamespace(compare=SimpleNamespace(subgroups=["sex", "site"]))
    known = SimpleNamespace(attributes={"sex": "female"})
    with pytest.raises(VerdictError, match=r"the attribute site; there are sex\. Correct the list"):
        check_subgroups([cast(Record, known)], params)
    params.compare.subgroups = ["sex"]
    check_subgroups([cast(Record, known)], params)
