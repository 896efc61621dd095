"""Conversations as a model reads them: no signs of its own in a text, and answers as it writes."""

import copy
import dataclasses

import pytest

from testing.tiny import MODEL, Tiny
from tests.answers.saved import predict
from verdict.core.errors import VerdictError

pytest.importorskip("torch")


def holding(tiny: Tiny, token: str) -> Tiny:
    """The same records, two of which hold a token in their text."""
    rows = copy.deepcopy(tiny.conversations)
    for row in rows[1:3]:
        row.prompt[-1]["content"][-1]["text"] += f" see {token}"
    return dataclasses.replace(tiny, conversations=rows)


@pytest.mark.parametrize("token", ["<end_of_turn>", "<bos>", "<start_of_image>"])
def test_a_record_with_a_control_token_is_named(tiny: Tiny, token: str) -> None:
    from verdict.models.chat import check_control_tokens
    from verdict.models.folder import load_tokenizer

    tokenizer = load_tokenizer(tiny.base)
    check_control_tokens(tiny.conversations, tokenizer)
    wrong = holding(tiny, token)
    named = f"record {wrong.conversations[1].id} holds {token}, .* so do 2 records in all"
    with pytest.raises(VerdictError, match=named):
        check_control_tokens(wrong.conversations, tokenizer)


def test_a_tokenizer_alone_knows_the_signs_that_a_processor_knows(tiny: Tiny) -> None:
    from verdict.models.chat import control_token
    from verdict.models.folder import load_tokenizer
    from verdict.models.load import load_processor

    whole = load_processor(tiny.base).tokenizer
    assert control_token(load_tokenizer(tiny.base)) == control_token(whole)


def test_evaluation_refuses_it_before_it_asks(tiny: Tiny) -> None:
    from verdict.answers.inference import load_for_inference

    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    with pytest.raises(VerdictError, match="holds <end_of_turn>"):
        predict(holding(tiny, "<end_of_turn>"), loaded)


def test_a_template_that_writes_the_prompt_anew_behind_an_answer_is_refused(tiny: Tiny) -> None:
    from verdict.models.chat import render_completion
    from verdict.models.load import load_processor

    processor = load_processor(tiny.base)
    asked = tiny.conversations[0].prompt
    assert render_completion(processor, asked, "Yes.") == "Yes.<end_of_turn>"
    template = str(processor.chat_template)
    processor.chat_template = template.replace("'<start_of_turn>model\\n' if", "'Model: ' if")
    with pytest.raises(VerdictError, match=r"ends the prompt with .*Model: ., but writes it diff"):
        render_completion(processor, asked, "Yes.")
