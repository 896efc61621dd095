"""The synthetic archive: the published layout, the same bytes everywhere, images that decide."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from PIL import Image, ImageOps
from pydantic import ValidationError
from sklearn.ensemble import RandomForestClassifier

from testing.places import ROOT
from verdict.params.data import Split
from verdict.records.raw import RawTable
from verdict.records.shards import Record
from verdict.splitting.assignment import split_records
from verdict.tasks.medpix_vqa import Options, read_table
from verdict.tasks.medpix_vqa.archive import FILES, Embedded, write_archive
from verdict.tasks.medpix_vqa.archive.layout import COLUMNS
from verdict.tiny_models.questions import RECIPE_QUESTIONS

OPTIONS = Embedded(seed=20, cases=300, validation_share=0.3, crossing_share=0.1)
QUESTIONS = {question.prompt: question.answers for question in RECIPE_QUESTIONS}

WRITE = """
import sys
from pathlib import Path
from verdict.tasks.medpix_vqa.archive import Embedded, write_archive
write_archive(Path(sys.argv[1]), Embedded(seed=int(sys.argv[2]), cases=40, validation_share=0.25,
              crossing_share=0.1))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "raw"
    write_archive(folder, OPTIONS)
    return folder


@pytest.fixture(scope="module")
def table(archive: Path) -> RawTable:
    return read_table(archive, Options(blank_answers="fail"))


@pytest.fixture(scope="module")
def published(archive: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        split: [
            row
            for path in sorted((archive / folder).iterdir())
            for row in pq.read_table(path).to_pylist()
        ]
        for split, folder in FILES.items()
        if split != "test"
    }


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*.parquet"))
    }


def write_elsewhere(folder: Path, seed: int, hash_seed: str) -> dict[str, str]:
    subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
    )
    return digests(folder)


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_elsewhere(tmp_path / "a", 7, "1")
    assert set(first) == {
        "train/train-00000-of-00001.parquet",
        "validation/validation-00000-of-00001.parquet",
    }
    assert first == write_elsewhere(tmp_path / "b", 7, "2")
    assert not set(first.values()) & set(write_elsewhere(tmp_path / "c", 8, "1").values())


def test_files_are_as_the_hub_has_them(archive: Path) -> None:
    path = archive / "train" / "train-00000-of-00001.parquet"
    loaded = Dataset.from_parquet(str(path), cache_dir=str(archive.parent / "cache"))
    assert isinstance(loaded, Dataset)
    assert loaded.column_names == list(COLUMNS)
    assert type(loaded.features["image_id"]).__name__ == "Image"
    assert isinstance(loaded[0]["image_id"], Image.Image)
    file = pq.ParquetFile(path)
    features = json.loads(file.metadata.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == list(COLUMNS)
    assert file.metadata.row_group(0).num_rows == 100


def test_many_rows_make_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: RawTable
) -> None:
    monkeypatch.setattr("verdict.tasks.medpix_vqa.archive.layout.ROWS_A_FILE", 500)
    write_archive(tmp_path, OPTIONS)
    train = sum(row.split == "train" for row in table.rows)
    files = -(-train // 500)
    assert [path.name for path in sorted((tmp_path / "train").iterdir())] == [
        f"train-{index:05d}-of-{files:05d}.parquet" for index in range(files)
    ]
    again = read_table(tmp_path, Options(blank_answers="fail"))
    assert [(r.text, r.answer) for r in again.rows] == [(r.text, r.answer) for r in table.rows]


def test_questions_and_answers_are_those_the_tiny_model_has_read(table: RawTable) -> None:
    seen = defaultdict(set)
    for row in table.rows:
        assert row.text is not None
        assert row.answer in QUESTIONS[row.text]
        seen[row.text].add(row.answer)
    assert len(seen) == 5
    assert all(set(QUESTIONS[question]) == answers for question, answers in seen.items())


def test_an_image_repeats_its_bytes_for_each_question(
    published: dict[str, list[dict[str, Any]]],
) -> None:
    by_image = defaultdict(list)
    for row in published["train"]:
        by_image[row["image_id"]["bytes"]].append(row)
    for rows in by_image.values():
        assert 3 <= len(rows) <= 4
        assert len({row["question"] for row in rows}) == len(rows)
        assert len({(row["case_id"], row["mode"], row["image_id"]["path"]) for row in rows}) == 1
    images = {row["image_id"]["path"]: row["image_id"]["bytes"] for row in published["train"]}
    assert len(set(images.values())) == len(images) == len(by_image)


def test_the_side_is_asked_only_where_there_is_one(
    published: dict[str, list[dict[str, Any]]],
) -> None:
    about: dict[str, dict[str, str]] = defaultdict(dict)
    for row in published["train"] + published["validation"]:
        about[row["image_id"]["path"]][row["question"]] = row["answer"]
    sided = [answers for answers in about.values() if "On which side is the mass?" in answers]
    assert len(sided) > 50
    for answers in sided:
        assert answers.get("Is a mass visible?", "Yes") == "Yes"
        assert answers.get("What is the imaging plane?") != "Sagittal"


def test_shares_are_exact_and_some_cases_cross(
    published: dict[str, list[dict[str, Any]]], table: RawTable
) -> None:
    cases = {split: {row["case_id"] for row in rows} for split, rows in published.items()}
    crossing = cases["train"] & cases["validation"]
    assert len(cases["train"] | cases["validation"]) == 300
    assert len(crossing) == 30
    assert len(cases["validation"] - crossing) == 90
    records = [
        Record(
            row.id, row.group, None, row.text, row.answer, row.split, row.attributes, None, index
        )
        for index, row in enumerate(table.rows)
    ]
    options = Split(
        source="published", crossing="leave_out", train=0.8, validation=0.1, test=0.1, seed=42
    )
    division = split_records(records, [], options)
    assert set(division.crossing) == crossing
    train = {row.id for row in table.rows if row.group in crossing and row.split == "train"}
    assert set(division.left_out) == train
    counts = {
        split: sum(name == split for name in division.assignment.values())
        for split in ("validation", "test")
    }
    assert abs(counts["validation"] - counts["test"]) < 0.2 * counts["test"]


def test_the_images_decide_the_answers(published: dict[str, list[dict[str, Any]]]) -> None:
    """On cases it has not seen, a plain classifier of small pictures is far above chance."""
    crossing = {row["case_id"] for row in published["validation"]}
    train = [row for row in published["train"] if row["case_id"] not in crossing]
    reached = {}
    for question, answers in QUESTIONS.items():
        fitted = RandomForestClassifier(200, random_state=0, n_jobs=1)
        own = [row for row in train if row["question"] == question]
        if not own:
            continue
        fitted.fit(np.stack([pixels(row) for row in own]), [row["answer"] for row in own])
        other = [row for row in published["validation"] if row["question"] == question]
        guessed = fitted.predict(np.stack([pixels(row) for row in other]))
        right = np.mean([a == row["answer"] for a, row in zip(guessed, other, strict=True)])
        reached[question] = (float(right), 1 / len(answers))
    assert len(reached) == 5
    for question, (right, chance) in reached.items():
        assert right > chance + 0.6 * (1 - chance), (question, reached)


def pixels(row: dict[str, Any]) -> np.ndarray:
    image = Image.open(io.BytesIO(row["image_id"]["bytes"]))
    return np.asarray(ImageOps.pad(image.convert("L"), (24, 24))).ravel()


@pytest.mark.parametrize(
    "wrong", [{"cases": 10}, {"validation_share": 0.6}, {"crossing_share": -0.1}]
)
def test_impossible_archives_are_refused(wrong: dict[str, Any]) -> None:
    fitting = {"seed": 1, "cases": 100, "validation_share": 0.2, "crossing_share": 0.0}
    with pytest.raises(ValidationError):
        Embedded(**{**fitting, **wrong})
