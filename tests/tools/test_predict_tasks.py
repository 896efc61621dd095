"""tools.predict on other tasks: several images a record, a classifier, questions about images."""

import csv
from pathlib import Path

import numpy as np
import pytest

from testing.tiny import COMMITTED, TWO, Tiny, build_several
from testing.tiny_texts import FREE
from tests.tools.tried import LABELS, lines, make_project, pictures, runner, text_project

pytest.importorskip("torch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pictures")


@pytest.fixture(scope="module")
def of_two(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose records have two images, at the places that the prompt marks."""
    folder = tmp_path_factory.mktemp("of-two")
    two = build_several(folder / "tiny", tiny.base)
    return make_project(folder / "project", two, sections={"format": TWO.model_dump()})


def test_several_images_are_asked_about_together(
    of_two: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner(of_two, monkeypatch)
    one, other = folder / "0.png", folder / "6.png"
    pairs = ("--images", one, other, "--images", other, one)
    assert run(*pairs, "--output", tmp_path / "out.csv") == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == [f"{one} + {other}", f"{other} + {one}"]
    scores = [float(row["log_probability_benign"]) for row in rows]
    # The order of the images counts.
    assert scores[0] != pytest.approx(scores[1], abs=1e-6)


def test_another_number_of_images_than_the_prompt_marks_is_named(
    of_two: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(of_two, monkeypatch)
    one, damaged = folder / "0.png", folder / "4.png"
    assert run("--image", one, "--images", one, damaged) == 1
    said = capsys.readouterr().err
    assert f"{one}: is 1 image, but the prompt has marks for 2: give those of one" in said
    assert f"{one} + {damaged}: image 2 does not decode" in said
    assert run("--images", one, folder) == 1
    assert "is a folder; name the images of one --images one by one" in capsys.readouterr().err
    assert run("--images", one, one, "--prompt", "{image 2}{image 1}?") == 1
    assert "where {image 1}, {image 2} is due" in capsys.readouterr().err


def test_a_classifier_answers_without_words(
    tiny: Tiny,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_project(tmp_path / "project", tiny, labels=LABELS)
    run = runner(root, monkeypatch)
    assert run("--image", folder / "0.png", "--json") == 0
    (row,) = lines(capsys.readouterr().out)
    assert row["words"] is None
    assert sum(np.exp([*row["log_probabilities"].values()])) == pytest.approx(1)
    assert row["label_in_words"] == row["answer"]


def test_a_question_about_an_image_is_answered_in_words(
    tiny: Tiny,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {**FREE.model_dump(), "prompt": "{text}"}
    changes = {
        "task": "medpix_vqa",
        "format": asked,
        "baselines": {},
        "compare": {**COMMITTED["compare"], "sensitivity": None, "cost": None},
    }
    root = text_project(tmp_path / "project", tiny, changes)
    run = runner(root, monkeypatch)
    questions = ("--question", "Is it red?", "--question", "What is it?")
    images = ("--image", folder / "0.png", "--image", folder / "1.png")
    assert run("--model", "base", "--json", *images, *questions) == 0
    rows = lines(capsys.readouterr().out)
    assert [(Path(row["input"]).name, row["text"]) for row in rows] == [
        ("0.png", "Is it red?"), ("0.png", "What is it?"),
        ("1.png", "Is it red?"), ("1.png", "What is it?"),
    ]  # fmt: skip
    for row in rows:
        assert row["answer"] == row["words"]
        assert row["probabilities"] == {}
        assert row["invalid"] == (None if row["words"] else "empty")
    assert run("--model", "base", *questions) == 1
    assert "the task medpix_vqa is about images: give --image" in capsys.readouterr().err
