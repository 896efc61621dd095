"""The embedded tiny Gemma 3: a complete model folder, the same bytes for the same seed."""

import functools
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from testing.places import ROOT

torch = pytest.importorskip("torch")

BUILD = """
import os, sys
from pathlib import Path
if os.environ["PYTHONHASHSEED"] == "2" and sys.platform == "linux":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one process computes both halves
from verdict.params import Reproducibility
from verdict.params.data import EmbeddedModel
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True))
from verdict.tiny_models.builder import build_model
for seed in sys.argv[2:]:
    options = EmbeddedModel(architecture="gemma3", lessons="shapes", seed=int(seed), steps=3)
    build_model(Path(sys.argv[1]) / seed, options)
"""
SYSTEM, QUESTION, ANSWER = "You are an assistant.", "What shape is it?", "It is a star."
#: Soft tokens an image, and pixels a side.
TOKENS, SIDE = 16, 64


def build(folder: Path, seeds: list[str], hash_seed: str) -> Path:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "TZ": "Asia/Tokyo" if hash_seed == "1" else "UTC",
    }
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder), *seeds],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("model"), ["1"], hash_seed="1") / "1"


@pytest.fixture(scope="module")
def processor(base: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(base, backend="pil", local_files_only=True)


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(
        base, dtype=torch.float32, local_files_only=True, use_safetensors=True
    ).eval()


def messages(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    """A conversation about one image: user, assistant, user…, as format writes it."""
    turns: list[dict[str, Any]] = []
    if system:
        turns.append({"role": "system", "content": [{"type": "text", "text": system}]})
    for number, text in enumerate(texts):
        parts = [{"type": "image"}] if number == 0 else []
        content = [*parts, {"type": "text", "text": text}]
        turns.append({"role": ("user", "assistant")[number % 2], "content": content})
    return turns


def ask(processor: Any, colour: str, question: str = QUESTION) -> Any:
    text = processor.apply_chat_template(messages(question), add_generation_prompt=True)
    image = Image.new("RGB", (SIDE, SIDE), colour)
    return processor(images=[[image]], text=[text], return_tensors="pt", add_special_tokens=False)


def test_two_processes_write_the_same_bytes(base: Path, tmp_path: Path) -> None:
    # In one process, the other first: what it leaves behind must not matter.
    folder = build(tmp_path, ["2", "1"], hash_seed="2")
    assert contents(base) == contents(folder / "1")
    assert contents(base)["model.safetensors"] != contents(folder / "2")["model.safetensors"]


def test_the_folder_is_complete_and_says_nothing_about_where_it_was_made(base: Path) -> None:
    files = contents(base)
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    } <= set(files)
    for name, content in files.items():
        assert str(base.parent.parent).encode() not in content, name
        assert str(ROOT).encode() not in content, name


def test_the_auto_classes_load_gemma_3(model: Any, processor: Any) -> None:
    from transformers import Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    assert type(model) is Gemma3ForConditionalGeneration
    assert type(processor) is Gemma3Processor
    assert type(processor.image_processor) is Gemma3ImageProcessorPil
    assert 300_000 < model.num_parameters() < 1_000_000


def test_turns_are_gemmas_and_the_system_text_opens_the_first(processor: Any) -> None:
    conversation = messages(QUESTION, ANSWER, "Is it red?", system=SYSTEM)
    text = processor.apply_chat_template(conversation, add_generation_prompt=True)
    assert text == (
        "<bos><start_of_turn>user\n"
        f"{SYSTEM}\n\n<start_of_image>{QUESTION}<end_of_turn>\n"
        f"<start_of_turn>model\n{ANSWER}<end_of_turn>\n"
        "<start_of_turn>user\nIs it red?<end_of_turn>\n<start_of_turn>model\n"
    )
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    assert ids.count(processor.tokenizer.bos_token_id) == 1


def test_turns_that_do_not_alternate_are_refused(processor: Any) -> None:
    import jinja2

    twice = [*messages(QUESTION), *messages(QUESTION)]
    with pytest.raises(jinja2.TemplateError, match="alternate"):
        processor.apply_chat_template(twice)


def test_an_image_is_sixteen_soft_tokens_between_its_marks(processor: Any, model: Any) -> None:
    tokenizer, batch = processor.tokenizer, ask(processor, "red")
    ids = batch["input_ids"][0].tolist()
    start = ids.index(tokenizer.boi_token_id)
    image = [tokenizer.image_token_id] * TOKENS
    assert ids[start + 1 : start + 2 + TOKENS] == [*image, tokenizer.eoi_token_id]
    assert ids.count(tokenizer.image_token_id) == TOKENS == model.config.mm_tokens_per_image
    assert int(batch["token_type_ids"].sum()) == TOKENS
    assert batch["pixel_values"].shape == (1, 3, SIDE, SIDE)


def test_pixels_run_from_minus_one_to_one(processor: Any) -> None:
    white = ask(processor, "white")["pixel_values"]
    black = ask(processor, "black")["pixel_values"]
    assert torch.allclose(white, torch.ones_like(white))
    assert torch.allclose(black, -torch.ones_like(black))


def test_special_tokens_agree_between_tokenizer_model_and_generation(
    base: Path, processor: Any, model: Any
) -> None:
    tokenizer = processor.tokenizer
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3]  # as in Gemma
    end_of_turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    generation = json.loads((base / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["eos_token_id"] == [end_of_turn, tokenizer.eos_token_id]
    assert generation["pad_token_id"] == tokenizer.pad_token_id == 0
    assert generation["bos_token_id"] == tokenizer.bos_token_id
    assert model.config.image_token_id == tokenizer.image_token_id
    assert tokenizer.padding_side == "left"
    assert len(tokenizer) <= model.config.text_config.vocab_size


def test_prompt_and_answer_give_the_same_tokens_together_and_apart(processor: Any) -> None:
    from verdict.tiny_models.questions import RECIPE_QUESTIONS, SHAPE_QUESTIONS

    def ids(text: str) -> list[int]:
        return processor.tokenizer(text, add_special_tokens=False).input_ids

    for question in (*SHAPE_QUESTIONS.values(), *RECIPE_QUESTIONS):
        prompt = processor.apply_chat_template(
            messages(question.prompt, system=question.system), add_generation_prompt=True
        )
        for answer in question.answers:
            assert ids(prompt) + ids(f"{answer}<end_of_turn>\n") == ids(
                f"{prompt}{answer}<end_of_turn>\n"
            )


def test_the_words_of_the_embedded_recipe_have_been_read(
    processor: Any, committed_params: dict[str, Any]
) -> None:
    wording = committed_params["format"]
    for text in (wording["system"], wording["prompt"], *wording["answers"].values()):
        # Known words are one token each: the model has seen them, not only their letters.
        assert len(processor.tokenizer.tokenize(text.strip())) <= len(text.split())


def test_unknown_text_survives_the_tokenizer(processor: Any) -> None:
    tokenizer = processor.tokenizer
    for text in ("Zürich, 37 °C", "naïve 黒色腫 \U0001fa7a"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


def test_linear_layers_fit_four_bit_blocks(model: Any) -> None:
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) > 20
    assert all(m.in_features % 64 == 0 and m.out_features % 32 == 0 for m in layers)


def test_from_the_first_step_a_gradient_reaches_the_vision_tower(processor: Any) -> None:
    # transformers starts the projector at zero, through which none would.
    from verdict.tiny_models.architecture import build_untrained

    torch.manual_seed(0)
    model = build_untrained(processor.tokenizer)
    batch = ask(processor, "red")
    model(**batch, labels=batch["input_ids"]).loss.backward()
    patches = next(model.model.vision_tower.parameters()).grad
    assert patches is not None
    assert patches.abs().max() > 0


def test_generation_stops_and_pads(processor: Any, model: Any) -> None:
    with torch.no_grad():
        out = model.generate(**ask(processor, "red"), max_new_tokens=3, do_sample=False)
    assert out.shape[1] <= ask(processor, "red")["input_ids"].shape[1] + 3
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id


def test_pretraining_asks_the_recipes_questions_without_favour() -> None:
    from verdict.tiny_models.conversations import IGNORED, RECIPE_ROWS, Conversations
    from verdict.tiny_models.questions import RECIPE_QUESTIONS, SHAPE_QUESTIONS
    from verdict.tiny_models.tokenizer import build_processor

    processor = build_processor(SIDE, TOKENS)
    attributes = torch.zeros((RECIPE_ROWS, len(SHAPE_QUESTIONS)), dtype=torch.long)
    conversations = Conversations(processor, attributes, torch.Generator().manual_seed(0))
    asked: Counter[str] = Counter()
    said: Counter[tuple[str, str]] = Counter()
    decode = functools.lru_cache(maxsize=None)(lambda ids: processor.tokenizer.decode(ids))
    rows = 0
    while rows < 3000:
        inputs, labels = conversations.batch(torch.arange(RECIPE_ROWS))
        for ids, learned in zip(inputs["input_ids"], labels, strict=True):
            text = decode(tuple(ids[ids != processor.tokenizer.pad_token_id].tolist()))
            question = next(q for q in RECIPE_QUESTIONS if f"{q.prompt}<end_of_turn>" in text)
            answer = decode(tuple(learned[learned != IGNORED].tolist()))
            asked[question.prompt] += 1
            said[question.prompt, answer.removesuffix("<end_of_turn>\n")] += 1
            rows += 1
    for question in RECIPE_QUESTIONS:
        share = 1 / len(RECIPE_QUESTIONS)
        assert asked[question.prompt] / rows == pytest.approx(share, abs=chance(share, rows))
        times, share = asked[question.prompt], 1 / len(question.answers)
        for answer in question.answers:
            seen = said[question.prompt, answer] / times
            assert seen == pytest.approx(share, abs=chance(share, times))


def chance(share: float, times: int) -> float:
    """Return four standard deviations of a share seen in so many draws."""
    return 4 * math.sqrt(share * (1 - share) / times)


def test_lessons_that_an_architecture_does_not_have_are_refused(tmp_path: Path) -> None:
    from verdict.core.errors import VerdictError
    from verdict.params.data import EmbeddedModel
    from verdict.tiny_models.builder import build_model

    options = EmbeddedModel(architecture="gemma3_text", lessons="shapes", seed=1, steps=1)
    with pytest.raises(VerdictError, match=r"gemma3_text cannot have the lessons shapes; set .*"):
        build_model(tmp_path / "model", options)
    assert not (tmp_path / "model").exists()
