"""Gemma 4, small and large: what can be trained, and scores as from a pass over everything."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.preflight import CLASSIFY, DORA, FULL, Flight
from testing.published import save_narrow
from testing.tiny import LORA, MODEL, QLORA, TRAIN, Tiny, ask_tiny, train_tiny
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

FREEZE = ["embeddings", "projector", "vision_tower", "audio_tower"]
FROZEN = TRAIN.model_copy(update={"freeze": FREEZE})
ALL_LINEAR = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
LANGUAGE = {
    "target_modules": r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
    "modules_to_save": ["embed_vision"],
}
ADAPT = LORA.model_copy(update=LANGUAGE)
#: An image of 64 pixels.
TOKENS = 64
E4B, LARGE, EXPERTS = "google/gemma-4-e4b-it", "google/gemma-4-31b-it", "google/gemma-4-26b-a4b-it"


def narrow(name: str, tiny: Tiny, folder: Path) -> Tiny:
    save_narrow(folder / "base", name)
    return dataclasses.replace(tiny, base=folder / "base")


@pytest.fixture(scope="module")
def small(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return narrow(E4B, tiny, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def large(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return narrow(LARGE, tiny, tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def experts(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return narrow(EXPERTS, tiny, tmp_path_factory.mktemp("experts"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quantization": QLORA},
        {"lora": DORA.model_copy(update=LANGUAGE)},
        {"train": FULL.model_copy(update={"freeze": FREEZE})},
        {"model": CLASSIFY},
        {"model": CLASSIFY, "quantization": QLORA},
        {"train": TRAIN.model_copy(update={"gradient_checkpointing": True})},
    ],
    ids=["lora", "qlora", "dora", "full", "classifier", "classifier, 4 bits", "checkpointing"],
)
def test_preflight_passes(small: Tiny, options: dict[str, Any]) -> None:
    figures = Flight(small, **{"lora": ADAPT, **options}).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [TOKENS]}
    learns = set(figures["trainable"]["by_part"])
    if "train" in options and options["train"].method == "full":
        assert learns == {"language_model"}
    else:
        head = {"head"} if "model" in options else set()
        assert learns == {"language_model", "projector"} | head


@pytest.mark.parametrize("family", ["large", "experts"])
@pytest.mark.parametrize("options", [{}, {"quantization": QLORA}], ids=["lora", "qlora"])
def test_large_models_pass_too(
    family: str, request: pytest.FixtureRequest, options: dict[str, Any]
) -> None:
    tiny = request.getfixturevalue(family)
    figures = Flight(tiny, lora=ADAPT, **options).run().as_json()
    # Where keys serve as values, a full layer has no projection of its own for them.
    assert figures["modules"]["adapters_by_part"] == {"language_model": 4 * 7 - 2}


def test_all_linear_reaches_inside_of_what_clips(small: Tiny) -> None:
    from verdict.training.adaptation import adapter_modules, part_of

    train = TRAIN.model_copy(update={"freeze": ["embeddings", "audio_tower"]})
    exclude = ALL_LINEAR.model_copy(update={"exclude_modules": r".*embed_audio.*"})
    flight = Flight(small, lora=exclude, train=train)
    assert flight.run().as_json()["modules"]["adapters_by_part"]["vision_tower"] == 2 * 7 + 1
    seen = [name for name in adapter_modules(flight.model) if part_of(name) == "vision_tower"]
    assert sum(name.endswith("_proj.linear") for name in seen) == 2 * 7


@pytest.mark.parametrize("free", [[], ["vision_tower"]], ids=["frozen tower", "tower learns"])
def test_a_name_means_the_layer_inside_of_what_clips(small: Tiny, free: list[str]) -> None:
    freeze = [part for part in FREEZE if part not in free]
    lora = LORA.model_copy(update={"target_modules": ["q_proj", "v_proj"], "modules_to_save": []})
    flight = Flight(small, lora=lora, train=TRAIN.model_copy(update={"freeze": freeze}))
    adapters = flight.run().as_json()["modules"]["adapters_by_part"]
    # The last two of four layers take keys and values from those before.
    expected = {"language_model": 4 + 2} | ({"vision_tower": 2 * 2} if free else {})
    assert adapters == expected


def test_an_expression_that_ends_at_what_clips_is_refused(small: Tiny) -> None:
    lora = LORA.model_copy(update={"target_modules": r".*\.q_proj", "modules_to_save": []})
    train = TRAIN.model_copy(update={"freeze": ["embeddings"]})
    message = r"reaches model\.\S+q_proj, which is no linear layer but holds one: .* \\\.linear"
    with pytest.raises(VerdictError, match=message):
        Flight(small, lora=lora, train=train)


def test_what_hears_cannot_learn(small: Tiny) -> None:
    train = TRAIN.model_copy(update={"freeze": ["embeddings"]})
    with pytest.raises(VerdictError, match="audio_tower reads sound, but the rows have none"):
        Flight(small, lora=ALL_LINEAR, train=train).run()


@pytest.mark.parametrize("family", ["small", "large", "experts"])
def test_scores_and_answers_are_those_of_passes_over_everything(
    family: str, request: pytest.FixtureRequest
) -> None:
    from verdict.answers.batches import batches
    from verdict.answers.generation import generate_answers
    from verdict.answers.inference import load_for_inference
    from verdict.answers.score import Scorer, _in_full
    from verdict.models.chat import candidate_ids, end_of_turn_id

    tiny = request.getfixturevalue(family)
    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    prompt = tiny.conversations[0].prompt
    candidates = candidate_ids(loaded.processor, prompt, tiny.answers)
    end = end_of_turn_id(loaded.processor, prompt)
    assert end == loaded.processor.tokenizer.eot_token_id
    batch = next(batches(loaded.processor, tiny.conversations, tiny.images, 3, "cpu"))
    scorer = Scorer(loaded.model)
    scores, read = scorer.read(batch.inputs, candidates)
    expected = _in_full(loaded.model, batch.inputs, candidates)
    assert torch.allclose(torch.tensor(scores), expected.float(), atol=1e-3)
    assert list(scorer.ways.values()) == ["packed"]
    more = {"end_of_turn": end, "max_new_tokens": 6}
    anew = generate_answers(loaded.model, loaded.processor, batch.inputs, **more)
    assert generate_answers(loaded.model, loaded.processor, batch.inputs, read=read, **more) == anew


@pytest.mark.parametrize(("method", "classify"), [("lora", True), ("full", False), ("full", True)])
def test_what_was_trained_answers_the_same_when_it_is_loaded(
    small: Tiny, tmp_path: Path, method: str, classify: bool
) -> None:
    from verdict.answers.inference import Loaded, load_for_inference
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    labels = small.answers.labels if classify else None
    training = train_tiny(
        small,
        tmp_path / "checkpoints",
        lora=ADAPT,
        options=TRAIN.model_copy(
            update={"method": method, "freeze": ["embeddings", "audio_tower"], "max_steps": 2}
        ),
        model=CLASSIFY if classify else MODEL,
    )
    processor = load_processor(small.base)
    provenance = {"labels": labels}
    save_adapter(tmp_path / "adapter", training.model, processor, provenance, dtype=torch.float32)
    loaded = load_for_inference(small.base, tmp_path / "adapter", MODEL, "cpu")
    assert loaded.labels == labels
    before = ask_tiny(small, Loaded(training.model.eval(), processor, labels))
    after = ask_tiny(small, loaded)
    for one, other in zip(before.log_probabilities, after.log_probabilities, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


#: How the template of the larger models ends, which trl keeps no copy of.
EMPTY_THOUGHT = """\
        {%- if not enable_thinking | default(false) -%}
            {{- '<|channel>thought\\n<channel|>' -}}
        {%- endif -%}
"""


@pytest.fixture(scope="module")
def thinking(large: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The large model, with the template of the larger ones."""
    folder = tmp_path_factory.mktemp("thinking") / "base"
    shutil.copytree(large.base, folder)
    template = (folder / "chat_template.jinja").read_text("utf-8")
    turn = "        {{- '<|turn>model\\n' -}}\n"
    assert template.count(turn) == 1
    (folder / "chat_template.jinja").write_text(template.replace(turn, turn + EMPTY_THOUGHT))
    return dataclasses.replace(large, base=folder)


def test_an_answer_stands_behind_the_empty_thought(thinking: Tiny, tmp_path: Path) -> None:
    from verdict.models.chat import candidate_ids, render_completion, render_prompt
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows

    processor = load_processor(thinking.base)
    asked = thinking.conversations[0].prompt
    prompt = render_prompt(processor, asked)
    assert prompt.endswith("<|turn>model\n<|channel>thought\n<channel|>")
    assert render_completion(processor, asked, "Yes.") == "Yes.<turn|>"
    tokenizer = processor.tokenizer
    for ids, answer in zip(
        candidate_ids(processor, asked, thinking.answers),
        thinking.answers.answers.values(),
        strict=True,
    ):
        assert tokenizer.decode(ids) == f"{answer}<turn|>"
    batch = Collator(processor)([training_rows(thinking.conversations, thinking.images)[0]])
    learned = batch["labels"][0] != -100
    before = tokenizer.decode(batch["input_ids"][0][~learned])
    assert before.endswith("<|turn>model\n<|channel>thought\n<channel|>")
    # What is saved beside an adapter is the published template, and read in the same way.
    processor.save_pretrained(tmp_path)
    again = load_processor(tmp_path)
    assert again.chat_template == processor.chat_template
    assert render_completion(again, asked, "Yes.") == "Yes.<turn|>"


def test_preflight_passes_behind_the_empty_thought(thinking: Tiny) -> None:
    learned = Flight(thinking, lora=ADAPT).run().as_json()["labels"]["learned"]
    answers = thinking.answers.answers.values()
    assert learned == sorted(f"{answer}<turn|>\n" for answer in answers)


def asking(tiny: Tiny, thinking: int) -> Any:
    from verdict.answers.evaluator import AnswerOptions, Evaluator
    from verdict.answers.inference import load_for_inference

    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    options = AnswerOptions(2, 2, "tokens", thinking)
    return Evaluator(loaded, tiny.answers, tiny.images, options, "cpu")


def test_who_may_think_is_asked_to_and_scored_behind_an_empty_thought(thinking: Tiny) -> None:
    from verdict.answers.evaluation import predict
    from verdict.answers.score import _in_full
    from verdict.models.chat import candidate_ids, images_of

    evaluator, rows = asking(thinking, 5), thinking.conversations[:2]
    processor, model = evaluator.loaded.processor, evaluator.loaded.model
    assert evaluator.options.longest_text == 7
    text = evaluator.plan(rows)[0].texts[0]
    assert text.startswith("<bos><|turn>system\n<|think|>\n")
    assert text.endswith("<|turn>model\n")
    inputs = processor(
        images=[images_of(rows[0], thinking.images)],
        text=[text + "<|channel>thought\n<channel|>"],
        return_tensors="pt",
        add_special_tokens=False,
    )
    candidates = candidate_ids(processor, rows[0].prompt, thinking.answers)
    sums = _in_full(model, inputs, candidates)[0].tolist()
    expected = [total / len(ids) for total, ids in zip(sums, candidates, strict=True)]
    row = predict("base", evaluator, rows).table.to_pylist()[0]
    assert row["id"] == rows[0].id
    assert row["log_probabilities"] == pytest.approx(expected, abs=1e-3)


def test_a_thought_longer_than_the_context_is_refused(thinking: Tiny) -> None:
    from verdict.answers.evaluation import predict

    with pytest.raises(VerdictError, match=r"reads at most 262144 .* or lower evaluate\.thinking"):
        predict("base", asking(thinking, 262_144), thinking.conversations[:2])


def test_who_has_no_marks_of_a_thought_cannot_be_asked_to_think(tiny: Tiny) -> None:
    from verdict.answers.evaluation import predict

    message = r"evaluate\.thinking is 5, but base has no marks of a thought that are known \(<\|ch"
    with pytest.raises(VerdictError, match=message):
        predict("base", asking(tiny, 5), tiny.conversations[:2])


def test_marks_of_a_thought_stay_in_what_was_written(small: Tiny) -> None:
    from verdict.answers.generation import _text
    from verdict.models.load import load_processor
    from verdict.parse import THOUGHT_MARKS

    tokenizer = load_processor(small.base).tokenizer
    marks = {tokenizer.convert_tokens_to_ids(mark): mark for mark in THOUGHT_MARKS[0]}
    written = "<|channel>thought\nred shape<channel|>It is a star."
    ids = tokenizer(f"<|think|>{written}<turn|>", add_special_tokens=False).input_ids
    assert _text(tokenizer, ids, marks) == written


def test_its_features_cannot_be_cached(small: Tiny, tmp_path: Path) -> None:
    cached = MODEL.model_copy(update={"cache_vision_features": True})
    with pytest.raises(VerdictError, match=r"\(gemma4\) cannot be cached, only those of Gemma 3"):
        train_tiny(small, tmp_path, lora=ALL_LINEAR, model=cached, options=FROZEN)
