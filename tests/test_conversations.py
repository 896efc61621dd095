import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stages.format import check_subgroups
from tests.splitting.test_splitting import record
from verdict.conversations import (
    Answers,
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
