"""The tiny models that compare texts: complete folders, the same bytes, and something learned."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.places import ROOT

torch = pytest.importorskip("torch")

BUILD = """
import sys
from pathlib import Path
from verdict.params import Reproducibility
from verdict.params.data import EmbeddedModel
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True))
from verdict.tiny_models.builder import build_model
for seed in sys.argv[2:]:
    for architecture in ("gemma3_text", "gemma3"):
        options = EmbeddedModel(
            architecture=architecture, lessons="comparisons", seed=int(seed), steps=2
        )
        build_model(Path(sys.argv[1]) / seed / architecture, options)
"""
ARCHITECTURES = ("gemma3_text", "gemma3")


def build(folder: Path, seeds: list[str], hash_seed: str) -> Path:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run(
        [sys.executable, "-c", BUILD, str(folder), *seeds],
        cwd=ROOT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models"), ["1"], hash_seed="1") / "1"


@pytest.fixture(scope="module")
def tokenizer(built: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(built / "gemma3_text", local_files_only=True)


def test_two_processes_write_the_same_bytes(built: Path, tmp_path: Path) -> None:
    folder = build(tmp_path, ["2", "1"], hash_seed="2")
    again, other = folder / "1", folder / "2"
    for name in ARCHITECTURES:
        assert contents(built / name) == contents(again / name)
        weights = (contents(folder / name)["model.safetensors"] for folder in (built, other))
        assert len(set(weights)) == 2


def test_the_folder_of_a_text_model_is_that_of_gemma_3_1b(built: Path) -> None:
    from transformers import AutoModelForCausalLM, Gemma3ForCausalLM

    folder = built / "gemma3_text"
    assert set(contents(folder)) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    config = json.loads(contents(folder)["config.json"])
    assert (config["model_type"], config["architectures"]) == ("gemma3_text", ["Gemma3ForCausalLM"])
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    assert type(model) is Gemma3ForCausalLM
    assert model.num_parameters() < 1_000_000
    assert model.generation_config.pad_token_id == 0


def test_a_classifier_can_be_made_of_medgemmas_architecture(built: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoModelForSequenceClassification

    folder = built / "gemma3"
    whole = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    assert type(whole).__name__ == "Gemma3ForConditionalGeneration"
    assert whole.num_parameters() < 1_000_000
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    assert type(model).__name__ == "Gemma3ForSequenceClassification"
    assert model.score.out_features == 2


def test_turns_are_gemmas_with_content_as_text_or_parts(tokenizer: Any) -> None:
    for content in ("Same?", [{"type": "text", "text": "Same?"}]):
        turns = [{"role": "user", "content": content}]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        assert text == "<bos><start_of_turn>user\nSame?<end_of_turn>\n<start_of_turn>model\n"


def test_a_recipes_row_is_read_as_the_chat_template_writes_it(tokenizer: Any) -> None:
    from verdict.tasks.entity_resolution.archive.layout import QUESTION, as_pair
    from verdict.tiny_models.questions import ENTITY_RESOLUTION
    from verdict.tiny_models.reading import IGNORED, Reader

    # What pre-training reads is the published question, to the letter.
    text = as_pair("{left}", "{right}")
    assert ENTITY_RESOLUTION.prompt.replace("{text}", text) == QUESTION
    reader = Reader(tokenizer, np.random.default_rng(0))
    ids, said, _ = reader.questions(5)
    row = ids[0][ids[0] != tokenizer.pad_token_id]
    written = tokenizer.decode(row)
    answer = tokenizer.decode(said[0][said[0] != IGNORED]).removesuffix("<end_of_turn>\n")
    assert answer in ENTITY_RESOLUTION.answers
    question = written.split("user\n")[1].split("<end_of_turn>")[0]
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False)
    assert written == rendered
    assert tokenizer(rendered, add_special_tokens=False).input_ids == row.tolist()
    opening, ending = QUESTION.split("{left}")[0], QUESTION.split("{right}")[1]
    assert question.startswith(opening)
    assert question.endswith(ending)


def test_the_recipes_answers_tell_nothing_about_the_texts(tokenizer: Any) -> None:
    from verdict.tiny_models.reading import IGNORED, RECIPE_ROWS, Reader

    reader = Reader(tokenizer, np.random.default_rng(0))
    alike: dict[int, list[float]] = {}
    for _ in range(150):
        _, said, seen = reader.questions(RECIPE_ROWS)
        for answer, recurring in zip(said, seen, strict=True):
            first = int(answer[answer != IGNORED][0])
            words = recurring[recurring != IGNORED]
            alike.setdefault(first, []).append(float((words == 2).float().mean()))
    yes, no = alike.values()
    assert abs(len(yes) - len(no)) < 4 * (len(yes) + len(no)) ** 0.5
    assert abs(np.mean(yes) - np.mean(no)) < 0.1


def test_right_answers_are_learned_and_marked_words_recur(tokenizer: Any) -> None:
    from verdict.synthetic import people
    from verdict.tiny_models import comparisons

    rng = np.random.default_rng(3)
    right: dict[str, list[int]] = {}
    for _ in range(300):
        drawn = comparisons.draw(rng)
        assert list(drawn.b) == [field for field in people.FIELDS if field in drawn.b]
        assert drawn.answers[comparisons.SAME] == int(drawn.a != drawn.b)
        for field, question in comparisons.FIELD.items():
            assert (question in drawn.answers) == (field in drawn.a and field in drawn.b)
            if question in drawn.answers:
                assert (drawn.answers[question] == 0) == (drawn.a[field] == drawn.b[field])
        for question, answer in drawn.answers.items():
            right.setdefault(question.prompt, []).append(answer)
    for prompt, answers in right.items():
        assert 0.1 < np.mean(answers) < 0.9, prompt


def test_known_words_are_one_token_and_unknown_text_survives(tokenizer: Any) -> None:
    from verdict.synthetic import people

    for field in people.FIELDS:
        for place in people.words(field):
            for word in place:
                assert len(tokenizer.tokenize(f" {word}")) == 1, word
    for text in ("COL name VAL ` gallagher \\ 's '", "Zürich, 37 °C"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids) == text


def test_reading_is_learned_within_a_few_steps(tokenizer: Any) -> None:
    """Whether a word of the second text recurs in the first is told far better than by chance."""
    from torch import nn

    from verdict.runtime.progress import progress
    from verdict.tiny_models import reading
    from verdict.tiny_models.architecture import build_untrained_text
    from verdict.tiny_models.halves import Halves, in_halves
    from verdict.tiny_models.pretraining import optimise

    torch.manual_seed(1)
    model = build_untrained_text(tokenizer)
    reading._look_for_the_same_word(model.model)
    head = nn.Linear(model.config.hidden_size, reading.RECURRENCES)
    reader = reading.Reader(tokenizer, np.random.default_rng(1))
    losses = []

    def loss_of(*rows: Any) -> Any:
        value = reading._loss(model.model, None, head, *rows)
        losses.append(value.item())
        return value

    def learn(halves: Halves) -> None:
        with progress("learn", 60, "steps") as bar:
            parameters = [*model.model.parameters(), *head.parameters()]
            for step in optimise(parameters, reading.READING_RATE, 60, bar, halves):
                step(loss_of, reader.texts(12))

    in_halves(learn, model, head)
    # Chance, knowing how often each kind occurs, is 0.9.
    assert losses[0] > 0.9
    assert np.mean(losses[-10:]) < 0.75
