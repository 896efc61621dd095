"""Rows without images: for a model that reads text alone, and for one that could see."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from testing.preflight import CLASSIFY, Flight
from testing.tiny import (
    LORA,
    MODEL,
    NOT_QUANTIZED,
    QLORA,
    TRAIN,
    Tiny,
    ask_tiny,
    open_tiny,
    train_tiny,
)
from testing.tiny_texts import FREE, build_text_tiny, write_texts
from verdict.core.errors import VerdictError
from verdict.params.training import ModelOptions, Quantization, Train

torch = pytest.importorskip("torch")

#: Names of both kinds of model.
TEXT_LORA = LORA.model_copy(
    update={
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
        "exclude_modules": r".*vision_tower.*",
        "modules_to_save": [],
    }
)
BLIND = TRAIN.model_copy(update={"freeze": ["embeddings", "projector", "vision_tower"]})
FULL = BLIND.model_copy(update={"method": "full"})
LESSON = BLIND.model_copy(update={"max_steps": 3, "save_strategy": "no", "learning_rate": 0.01})


class Untouched:
    """Stands for the images of records that have none."""

    def __getitem__(self, id_: str) -> bytes:
        raise AssertionError(f"the image of {id_} was asked for")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    made = build_text_tiny(tmp_path_factory.mktemp("text"))
    return dataclasses.replace(made, images=Untouched())  # type: ignore[arg-type]


@pytest.fixture(params=["text alone", "could see"])
def pairs(request: pytest.FixtureRequest, text: Tiny, tiny: Tiny) -> Tiny:
    """Pairs of texts as records, and a model."""
    return text if request.param == "text alone" else dataclasses.replace(text, base=tiny.base)


@pytest.fixture(scope="module")
def free(text: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("free")
    (folder / "base").symlink_to(text.base)
    write_texts(folder, FREE)
    return dataclasses.replace(open_tiny(folder), images=Untouched())  # type: ignore[arg-type]


def test_a_batch_holds_text_alone_and_its_answer(pairs: Tiny) -> None:
    from verdict.answers.batches import batches
    from verdict.models.chat import candidate_ids
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows

    processor = load_processor(pairs.base)
    rows = training_rows(pairs.conversations, pairs.images)
    batch = Collator(processor)([rows[i] for i in range(4)])
    assert "pixel_values" not in batch
    if hasattr(processor, "image_processor"):
        assert not batch["token_type_ids"].any()
    for ids, labels, conversation in zip(
        batch["input_ids"], batch["labels"], pairs.conversations, strict=False
    ):
        answer = conversation.completion[0]["content"][0]["text"]
        assert processor.tokenizer.decode(labels[labels != -100]) == f"{answer}<end_of_turn>\n"
        assert (ids == processor.tokenizer.bos_token_id).sum() == 1
    classified = Collator(processor, pairs.answers.labels)([rows[i] for i in range(4)])
    assert classified["labels"].tolist() == [0, 1, 0, 1]
    asked = list(batches(processor, pairs.conversations, pairs.images, 32, "cpu"))
    assert len(asked) > 1
    assert all(part.inputs["attention_mask"].all() for part in asked)
    first = next(p for p in asked if p.conversations[0].id == pairs.conversations[0].id)
    prompt = first.inputs["input_ids"][0]
    [candidate, _] = candidate_ids(processor, pairs.conversations[0].prompt, pairs.answers)
    whole = [*prompt.tolist(), *candidate]
    assert batch["input_ids"][0][batch["attention_mask"][0].bool()].tolist()[: len(whole)] == whole


@pytest.mark.parametrize(
    ("quantization", "train", "model"),
    [
        (NOT_QUANTIZED, BLIND, MODEL),
        (QLORA, BLIND, MODEL),
        (NOT_QUANTIZED, FULL, MODEL),
        (QLORA, BLIND, CLASSIFY),
        (NOT_QUANTIZED, FULL, CLASSIFY),
        (NOT_QUANTIZED, BLIND.model_copy(update={"gradient_checkpointing": True}), MODEL),
    ],
    ids=["lora", "qlora", "full", "classifier over 4 bits", "classifier, full", "checkpointing"],
)
def test_preflight_passes(
    pairs: Tiny, quantization: Quantization, train: Train, model: ModelOptions
) -> None:
    figures = Flight(pairs, quantization, TEXT_LORA, train, model).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [0]}
    assert figures["bos"]["bos_a_row"] == 1
    assert figures["batch"]["lengths_differ"]
    if train.method == "lora":
        assert figures["modules"]["adapters_by_part"] == {"language_model": 8}
    learned = figures["labels"]["learned"]
    if model is CLASSIFY:
        assert learned == ["different", "same"]
    else:
        assert learned == ["No, different.<end_of_turn>\n", "Yes, the same.<end_of_turn>\n"]


def test_a_part_that_reads_images_cannot_learn_from_text(tiny: Tiny, text: Tiny) -> None:
    train = FULL.model_copy(update={"freeze": ["embeddings"]})
    with pytest.raises(VerdictError, match="vision_tower reads images, but the rows have none"):
        Flight(dataclasses.replace(text, base=tiny.base), train=train).run()


@pytest.mark.parametrize(
    ("method", "model"),
    [("lora", CLASSIFY), ("full", MODEL), ("full", CLASSIFY)],
    ids=["lora, classifies", "full, writes", "full, classifies"],
)
def test_trained_saved_reloaded_and_asked(
    pairs: Tiny, tmp_path: Path, model: ModelOptions, method: str
) -> None:
    from verdict.answers.inference import Loaded, load_for_inference
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    options = LESSON.model_copy(update={"method": method})
    training = train_tiny(
        pairs, tmp_path / "checkpoints", lora=TEXT_LORA, options=options, model=model
    )
    labels = pairs.answers.labels if model is CLASSIFY else None
    adapter, processor = tmp_path / "adapter", load_processor(pairs.base)
    save_adapter(adapter, training.model, processor, {"labels": labels})
    reloaded = load_for_inference(pairs.base, adapter, model, "cpu")
    assert reloaded.labels == labels
    trained = Loaded(training.model.eval(), processor, labels)
    kept, one, many = (
        ask_tiny(pairs, loaded, pairs.validation, batch_size=size)
        for loaded, size in ((trained, 4), (reloaded, 1), (reloaded, 4))
    )  # fmt: skip
    for other in (one, many):
        assert other.table.drop(["log_probabilities"]) == kept.table.drop(["log_probabilities"])
        assert abs(other.log_probabilities - kept.log_probabilities).max() < 1e-4
    assert one.table["answer"].to_pylist() == ["No, different.", "Yes, the same."] * 2


def test_a_folder_without_a_processor_keeps_only_its_tokenizer(text: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_processor

    assert not list(text.base.glob("*processor*"))
    processor = load_processor(text.base)
    processor.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    }  # fmt: skip
    assert "processor_class" not in json.loads((tmp_path / "tokenizer_config.json").read_text())
    prompt = text.conversations[0].prompt
    again = load_processor(tmp_path)
    rendered = again.apply_chat_template(prompt, add_generation_prompt=True)
    assert rendered == processor.apply_chat_template(prompt, add_generation_prompt=True)
    assert rendered.startswith("<bos><start_of_turn>user\nYou compare records.\n\nAre these")


def test_images_are_refused_by_a_model_for_text(tiny: Tiny, text: Tiny) -> None:
    with pytest.raises(VerdictError, match="hold image parts, but this model reads text alone"):
        Flight(dataclasses.replace(tiny, base=text.base), lora=TEXT_LORA, train=BLIND).run()


def test_vision_features_are_refused_without_images(pairs: Tiny, tmp_path: Path) -> None:
    cached = MODEL.model_copy(update={"cache_vision_features": True})
    with pytest.raises(VerdictError, match=r"row r00 has no image.*cache_vision_features=false"):
        train_tiny(pairs, tmp_path, lora=TEXT_LORA, options=LESSON, model=cached)


def test_free_text_is_learned_and_only_written(free: Tiny, tmp_path: Path) -> None:
    from verdict.answers.inference import Loaded
    from verdict.models.load import load_processor

    assert free.answers.labels == []
    flight = Flight(free, lora=TEXT_LORA, train=BLIND)
    learned = flight.run().as_json()["labels"]["learned"]
    assert len(learned) > 5
    assert all(text.startswith("red shape") and "<end_of_turn>" in text for text in learned)
    training = train_tiny(free, tmp_path / "checkpoints", lora=TEXT_LORA, options=LESSON)
    assert training.log[-1]["loss"] < training.log[0]["loss"]
    loaded = Loaded(training.model.eval(), load_processor(free.base), None)
    predictions = ask_tiny(free, loaded, free.validation, batch_size=2, max_new_tokens=3)
    assert predictions.labels == ()
    assert predictions.positive is None
    for row, conversation in zip(predictions.table.to_pylist(), free.validation, strict=True):
        assert row["answer"] == conversation.completion[0]["content"][0]["text"]
        assert (row["label"], row["predicted"], row["parsed"]) == (None, None, None)
        assert row["log_probabilities"] == []
        assert row["invalid_reason"] == (None if row["generated"] else "empty")


def test_nothing_written_is_called_empty(free: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from verdict.answers import generation
    from verdict.answers.inference import load_for_inference

    monkeypatch.setattr(generation, "generate_answers", lambda *_, **__: [""])
    loaded = load_for_inference(free.base, free.base / "config.json", MODEL, "cpu")
    predictions = ask_tiny(free, loaded, free.validation[:1], batch_size=1, max_new_tokens=3)
    assert predictions.table["invalid_reason"].to_pylist() == ["empty"]


@pytest.mark.parametrize(
    ("written", "row"),
    [
        ("<|channel>thought\nA<channel|>B", ("A", "B", None)),
        ("<|channel>thought\nA", ("A", "", "unfinished thought")),
        ("<|channel>thought\nA<channel|>", ("A", "", "empty")),
    ],
)
def test_a_thought_is_no_answer(
    free: Tiny, monkeypatch: pytest.MonkeyPatch, written: str, row: tuple[str, str, str | None]
) -> None:
    from verdict.answers import generation
    from verdict.answers.inference import load_for_inference

    monkeypatch.setattr(generation, "generate_answers", lambda *_, **__: [written])
    loaded = load_for_inference(free.base, free.base / "config.json", MODEL, "cpu")
    table = ask_tiny(free, loaded, free.validation[:1], batch_size=1, max_new_tokens=3).table
    names = ("thought", "generated", "invalid_reason")
    assert tuple(table[name][0].as_py() for name in names) == row


def test_balancing_needs_labels(free: Tiny, tmp_path: Path) -> None:
    options = LESSON.model_copy(update={"class_imbalance": "undersample"})
    with pytest.raises(VerdictError, match="has rows without a label; set it to none"):
        train_tiny(free, tmp_path, lora=TEXT_LORA, options=options)


def test_rows_with_and_without_an_image_share_a_batch(tiny: Tiny, text: Tiny) -> None:
    from verdict.answers.batches import batches
    from verdict.models.load import load_processor

    mixed = [*tiny.conversations[:3], *text.conversations[3:6]]
    flight = Flight(tiny, lora=TEXT_LORA, train=BLIND, conversations=mixed)
    assert flight.run().as_json()["image_tokens"] == {"image_tokens_a_row": [0, 16]}
    for batch in batches(load_processor(tiny.base), mixed, tiny.images, 8, "cpu"):
        assert len({"image" in json.dumps(row.prompt[-1]) for row in batch.conversations}) == 1


def test_a_model_that_cannot_classify_is_named(text: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_model

    folder: Any = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    with pytest.raises(VerdictError, match=r"kind qwen2_5_vl, .* set model.task=generate"):
        load_model(folder, MODEL, "cpu", labels=["a", "b"])
