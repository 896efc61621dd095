"""The plain form: for models without a chat template, from rows over training to answers."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import format as format_stage
from testing.preflight import CLASSIFY, Flight
from testing.tiny import COMMITTED, MODEL, SPLIT, Tiny, ask_tiny, open_tiny, train_tiny
from testing.tiny_texts import PLAIN, build_text_tiny
from tests.answers.conftest import LESSON
from tests.training.qwen import build_qwen
from tests.training.test_qwen import ADAPT, FROZEN
from tests.training.test_text import BLIND, TEXT_LORA
from verdict.conversations import Conversation, read_answers, write_chat
from verdict.core.errors import VerdictError
from verdict.params.data import Format
from verdict.params.training import ModelOptions
from verdict.records.shards import read_records

torch = pytest.importorskip("torch")

BY_HEART = LESSON.model_copy(update={"freeze": ["embeddings"], "max_steps": 120})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Pairs of texts, and a Gemma 3 without a chat template."""
    return build_text_tiny(tmp_path_factory.mktemp("plain"), options=PLAIN)


def processor_of(tiny: Tiny) -> Any:
    from verdict.models.load import load_processor

    return load_processor(tiny.base, "plain")


def plainly(tiny: Tiny, folder: Path, options: Format) -> Tiny:
    """The records of another, asked in the plain form."""
    (folder / "base").symlink_to(tiny.base)
    (folder / "records").symlink_to(tiny.records)
    rows = read_records(tiny.records)
    splits = {row.id: SPLIT[i] for i, row in enumerate(rows)}
    write_chat(folder / "chat", rows, splits, options)
    return open_tiny(folder)


def test_the_form_stands_beside_the_answers(plain: Tiny, tiny: Tiny) -> None:
    assert read_answers(plain.chat).form == "plain"
    assert read_answers(tiny.chat).form == "turns"
    # A project of before there was a form has the same bytes.
    assert json.loads((tiny.chat / "answers.json").read_text()).keys() == {"answers", "positive"}


def test_a_row_is_question_space_answer_and_end(plain: Tiny) -> None:
    from verdict.answers.batches import batches
    from verdict.models.chat import candidate_ids, end_of_turn_id, render_prompt
    from verdict.training.rows import Collator, training_rows

    processor = processor_of(plain)
    row = plain.conversations[0]
    prompt = render_prompt(processor, row.prompt)
    assert prompt == (
        "<bos>You compare records.\n\nAre these the same?\n"
        "A: green shape 0\nB: red shape 0\nAnswer:"
    )
    batch = Collator(processor)([training_rows([row], plain.images)[0]])
    whole = batch["input_ids"][0].tolist()
    decode = processor.tokenizer.decode
    assert decode(whole) == f"{prompt} No, different.<eos>"
    [asked] = batches(processor, [row], plain.images, 1, "cpu")
    candidates = candidate_ids(processor, row.prompt, plain.answers)
    assert asked.inputs["input_ids"][0].tolist() + candidates[0] == whole
    assert processor.tokenizer(f"{prompt} No, different.<eos>", add_special_tokens=False)[
        "input_ids"
    ] == whole  # fmt: skip
    end = end_of_turn_id(processor, row.prompt)
    assert end == candidates[0][-1] == candidates[1][-1] == processor.tokenizer.eos_token_id


@settings(max_examples=200, deadline=None)
@given(
    question=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    answer=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
)
def test_labels_are_the_answer_and_the_end_whatever_the_texts(
    plain: Tiny, question: str, answer: str
) -> None:
    from verdict.training.preflight_form import check_border
    from verdict.training.rows import Collator, training_rows

    if not (question.strip() and answer.strip()):
        return
    processor = processor_of(plain)
    row = dataclasses.replace(
        plain.conversations[0],
        prompt=[{"role": "user", "content": [{"type": "text", "text": f"{question}\nAnswer:"}]}],
        completion=[{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
    )
    batch = Collator(processor)([training_rows([row], plain.images)[0]])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    tokenizer = processor.tokenizer
    learned = labels != -100
    assert labels[learned].tolist() == tokenizer(
        f" {answer.strip()}<eos>", add_special_tokens=False
    )["input_ids"]  # fmt: skip
    first = int(learned.int().argmax())
    assert not learned[:first].any()
    assert learned[first:].all()
    prompt = "<bos>" + f"{question}\nAnswer:".strip()
    assert ids[:first].tolist() == tokenizer(prompt, add_special_tokens=False)["input_ids"]
    completion = f" {answer.strip()}<eos>"
    whole = tokenizer(prompt + completion, add_special_tokens=False)["input_ids"]
    check_border("row", tokenizer, prompt, completion, whole)
    assert ids.tolist() == whole


@pytest.mark.parametrize("model", [MODEL, CLASSIFY], ids=["writes", "classifies"])
def test_preflight_says_how_the_answer_ends(plain: Tiny, model: ModelOptions) -> None:
    checks = Flight(plain, lora=TEXT_LORA, train=BLIND, model=model).run()
    figures = checks.as_json()
    assert figures["bos"]["bos_a_row"] == 1
    if model is CLASSIFY:
        assert figures["plain_form"] == {"end": None}
        assert figures["labels"]["learned"] == ["different", "same"]
    else:
        assert figures["plain_form"] == {"end": "<eos>"}
        assert figures["labels"]["learned"] == [" No, different.<eos>", " Yes, the same.<eos>"]
        assert "they learn their answer and the end, nothing" in checks.checks[0].seen


def test_turns_have_no_check_of_the_plain_form(tiny: Tiny) -> None:
    assert "plain_form" not in Flight(tiny).run().as_json()


def test_an_image_comes_before_the_question(tiny: Tiny, tmp_path: Path) -> None:
    options = Format(**{**COMMITTED["format"], "form": "plain"})
    figures = Flight(plainly(tiny, tmp_path, options)).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [16]}
    assert figures["plain_form"] == {"end": "<eos>"}


def test_images_are_refused_where_their_sign_is_not_known(tiny: Tiny, tmp_path: Path) -> None:
    options = Format(**{**COMMITTED["format"], "form": "plain"})
    (tmp_path / "plain").mkdir()
    asked = plainly(tiny, tmp_path / "plain", options)
    qwen = build_qwen(tmp_path / "qwen", tiny)
    message = "Qwen2_5_VLProcessor reads one without turns is not known; set format.form=turns"
    with pytest.raises(VerdictError, match=message):
        Flight(dataclasses.replace(asked, base=qwen.base), lora=ADAPT, train=FROZEN).run()


def joined(processor: Any) -> None:
    from tokenizers import normalizers

    backend = processor.tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([backend.normalizer, normalizers.Prepend("▁")])


def without_end(processor: Any) -> None:
    processor.tokenizer.eos_token = None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (joined, r"row r00: where the answer follows .*Answer:', the two together are other"),
        (without_end, "row r00: the tokenizer of the base model has no eos_token"),
    ],
)
def test_a_tokenizer_that_cannot_is_refused(plain: Tiny, edit: Any, message: str) -> None:
    with pytest.raises(VerdictError, match=message):
        Flight(plain, lora=TEXT_LORA, train=BLIND, edit_processor=edit).run()


@pytest.mark.parametrize("place", ["config", "generation_config"])
def test_a_model_that_ends_elsewhere_is_refused(plain: Tiny, place: str) -> None:
    flight = Flight(plain, lora=TEXT_LORA, train=BLIND)
    getattr(flight.model, place).eos_token_id = [6, 7]
    message = rf"answers end with <eos> \(1\), but .* in {place}.json is \[6, 7\]"
    with pytest.raises(VerdictError, match=message):
        flight.run()


def test_turns_without_a_chat_template_name_the_key_and_both_remedies(
    plain: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.inference import load_for_inference, without_weights
    from verdict.models.load import load_processor

    message = (
        "format.form is turns, but .*base has no chat template .* set format.form=plain, name a "
        "template in models.NAME.gguf.chat_template, or choose a model that was tuned"
    )
    own = plain.base / "config.json"
    for load in (
        lambda: load_processor(plain.base),
        lambda: load_for_inference(plain.base, own, MODEL, "cpu"),
        lambda: without_weights(plain.base, own),
    ):
        with pytest.raises(VerdictError, match=message):
            load()
    # Before any training, by the stage that writes conversations.
    for name in ("BASE", "RECORDS", "CHAT"):
        place = {"BASE": plain.base, "RECORDS": plain.records, "CHAT": tmp_path / "chat"}[name]
        monkeypatch.setattr(format_stage, name, place)
    splits = {row.id: "test" for row in read_records(plain.records)}
    monkeypatch.setattr(format_stage, "read_split", lambda _: splits)
    params: Any = SimpleNamespace(format=PLAIN, compare=SimpleNamespace(subgroups=[]))
    format_stage.main(params)
    assert read_answers(tmp_path / "chat").form == "plain"
    params.format = PLAIN.model_copy(update={"form": "turns"})
    with pytest.raises(VerdictError, match=message):
        format_stage.main(params)


def learned(tiny: Tiny, folder: Path, origin: dict[str, Any], **kind: Any) -> Path:
    """Train a model to know the records by heart, and return its adapter."""
    from verdict.training.results import save_adapter

    training = train_tiny(tiny, folder / "checkpoints", options=BY_HEART, **kind)
    save_adapter(folder / "adapter", training.model, processor_of(tiny), origin)
    return folder / "adapter"


def rows_of(predictions: Any) -> list[dict[str, Any]]:
    return predictions.table.to_pylist()


def test_what_is_written_is_what_scores_best(plain: Tiny, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from verdict.answers.inference import load_for_inference
    from verdict.models.chat import is_plain

    adapter = learned(plain, tmp_path, {"labels": None})
    loaded = load_for_inference(plain.base, adapter, MODEL, "cpu", "plain")
    # It knows its form, whoever loads it.
    again = load_for_inference(plain.base, adapter, MODEL, "cpu")
    assert is_plain(again.processor)
    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    turns = [{"role": "user", "content": "Same?\nAnswer:"}, {"role": "assistant", "content": "No"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == "<bos>Same?\nAnswer: No<eos>"
    known = {**plain.answers.answers}
    asked: list[Conversation] = plain.conversations
    found = rows_of(ask_tiny(plain, loaded, asked, max_new_tokens=16))
    assert rows_of(ask_tiny(plain, again, asked, max_new_tokens=16)) == found
    labels = list(known)
    for row in found:
        scores = row["log_probabilities"]
        assert row["generated"] == known[labels[scores.index(max(scores))]]
        assert row["parsed"] == row["predicted"]
    assert {row["predicted"] for row in found} == set(known)
    assert [row["predicted"] for row in found] == [row.label for row in asked]


def test_a_classifier_reads_the_question_plainly(plain: Tiny, tmp_path: Path) -> None:
    from verdict.answers.inference import load_for_inference

    adapter = learned(plain, tmp_path, {"labels": plain.answers.labels}, model=CLASSIFY)
    loaded = load_for_inference(plain.base, adapter, CLASSIFY, "cpu", "plain")
    found = rows_of(ask_tiny(plain, loaded, plain.conversations))
    assert [row["predicted"] for row in found] == [row.label for row in plain.conversations]


def test_the_model_that_mlflow_loads_answers_plainly(plain: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    import pandas as pd

    from verdict.answers.inference import load_for_inference
    from verdict.tracking.mlflow_model import AnsweringModel

    origin = {"labels": None, "parameters": {"model": MODEL.model_dump()}}
    adapter = learned(plain, tmp_path, origin)
    context: Any = SimpleNamespace(
        model_config={"base": str(plain.base), "device": "cpu", "max_new_tokens": 16},
        artifacts={"adapter": str(adapter)},
    )
    model = AnsweringModel()
    model.load_context(context)
    asked = plain.conversations[:4]
    table = pd.DataFrame({"image": [b""] * 4, "prompt": [row.prompt for row in asked]})
    loaded = load_for_inference(plain.base, adapter, MODEL, "cpu", "plain")
    expected = rows_of(ask_tiny(plain, loaded, asked, max_new_tokens=16))
    assert model.predict(context, table) == [row["generated"] for row in expected]
