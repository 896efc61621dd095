import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from verdict.baselines.classifiers import PENALTIES
from verdict.baselines.training import Material, train_baseline
from verdict.comparison.results import EXAMPLES, METHODS
from verdict.conversations import (
    Conversation,
    read_answers,
    read_conversations,
    write_chat,
)
from verdict.core.errors import VerdictError
from verdict.params.data import Format
from verdict.params.evaluation import Baseline
from verdict.predictions import Predictions, write_predictions
from verdict.records.shards import read_records, write_shard
from verdict.tasks.entity_resolution import as_pair, out_of_pair

ANSWERS = {"no_match": "No.", "match": "Yes."}
SPLITS = ("train", "train", "train", "validation", "test")
NAMES = ("ann smith", "bob miller", "carla young", "dan ortega", "eve larsson")
TOWNS = ("york", "stafford", "kirkby", "thornton", "ashford")
PETS = ("cat", "dog", "newt")


def pair(i: int) -> str:
    """Return a pair that is a match where ``i`` is odd, but for its pet in some."""
    left, other = i % 5, i % 5 if i % 2 else (i + 2) % 5
    pets = PETS[i % 3], PETS[i % 3 if i % 2 and i % 7 else (i + 1) % 3]
    return as_pair(
        f"name: {NAMES[left]}\ntown: {TOWNS[left]}\npet: {pets[0]}",
        f"name: {NAMES[other]}\ntown: {TOWNS[other][:-1]}\npet: {pets[1]}",
    )


def image(i: int) -> bytes:
    """Return a square whose colour tells whether ``i`` is odd."""
    picture = Image.new("RGB", (32, 32), (230, 200, 180))
    picture.paste((200, 60, 40 + i) if i % 2 else (40, 90, 200 - i), (8, 8, 24, 24))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def material(
    folder: Path, *, images: bool = False, second: Callable[[int], list[bytes]] | None = None
) -> Material:
    """Return records of text, of an image, or of a first one that tells nothing and others."""
    rows: list[dict[str, Any]] = [
        {
            "id": f"r{i:03d}",
            "group": f"g{i:03d}",
            "image": {"bytes": image(0 if second else i), "path": None} if images else None,
            "further_images": [{"bytes": data, "path": None} for data in (second or _none)(i)],
            "further_sha256": [f"{i}" for _ in (second or _none)(i)],
            "text": None if images else pair(i),
            "label": ("no_match", "match")[i % 2],
            "attributes": "{}",
            "row": i,
        }
        for i in range(200)
    ]
    records = folder / "records"
    records.mkdir()
    write_shard(records / "shard-00000-of-00001.parquet", rows, several=second is not None)
    prompt = "Which?" if images else "Which?\n{text}"
    options = Format(form="turns", system="", prompt=prompt, answers=ANSWERS, positive="match")
    assignment = {row["id"]: SPLITS[row["row"] % len(SPLITS)] for row in rows}
    write_chat(folder / "chat", read_records(records), assignment, options)
    chats = {name: read_conversations(folder / "chat" / f"{name}.jsonl") for name in SPLITS}
    answers = read_answers(folder / "chat")
    return Material(chats, answers, dict.fromkeys(chats, records), out_of_pair, _counts)


def _none(i: int) -> list[bytes]:
    return []


def _counts(splits: Mapping[str, Sequence[Conversation]]) -> dict[str, np.ndarray]:
    """Return what a base sees that only looks at the last digit of a record's id."""
    return {part: np.array([[int(c.id[-1])] for c in split]) for part, split in splits.items()}


def accuracy(predictions: Predictions) -> float:
    return float((predictions.predicted == predictions.actual).mean())


@pytest.mark.parametrize("kind", ["similarities", "fellegi_sunter", "tfidf"])
def test_texts_are_told_apart(tmp_path: Path, kind: str) -> None:
    made = material(tmp_path)
    found = train_baseline("rival", kind, made)
    assert found["test"].ids.tolist() == sorted(c.id for c in made.splits["test"])
    assert found["validation"].ids.tolist() == sorted(c.id for c in made.splits["validation"])
    assert accuracy(found["test"]) > 0.9 or kind == "tfidf"


def test_a_probe_learns_from_what_the_base_sees(tmp_path: Path) -> None:
    made = material(tmp_path)
    found = train_baseline("rival", "probe", made)["test"]
    seen = _counts(made.splits)
    codes = {part: [c.label == "match" for c in split] for part, split in made.splits.items()}
    theirs = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, class_weight="balanced", tol=1e-8))
        for c in PENALTIES
    ]
    expected = [
        one.fit(seen["train"], codes["train"]).predict_log_proba(seen["test"]) for one in theirs
    ]
    assert min(np.abs(found.log_probabilities - values).max() for values in expected) < 1e-4


def test_every_image_of_a_record_is_measured(tmp_path: Path) -> None:
    made = material(tmp_path, images=True, second=lambda i: [image(i)])
    assert accuracy(train_baseline("rival", "features", made)["test"]) == 1


def test_of_a_set_from_elsewhere_its_own_images_are_measured(tmp_path: Path) -> None:
    made = material(tmp_path, images=True, second=lambda i: [image(i)])
    (tmp_path / "elsewhere").mkdir()
    # The same ids; what tells of a label is turned round.
    there = material(tmp_path / "elsewhere", images=True, second=lambda i: [image(i + 1)])
    both = replace(
        made,
        splits={**made.splits, "far": made.splits["test"]},
        records={**made.records, "far": there.records["test"]},
    )
    found = train_baseline("rival", "features", both)
    assert accuracy(found["test"]) == 1
    assert accuracy(found["far"]) == 0


@pytest.mark.parametrize("kind", ["features", "probe"])
def test_records_of_different_numbers_of_images_are_named(tmp_path: Path, kind: str) -> None:
    made = material(tmp_path, images=True, second=lambda i: [image(i)] * (1 + (i == 7)))
    with pytest.raises(VerdictError, match=r"record r007 has 3 images, but r000 has 2"):
        train_baseline("rival", kind, made)


def test_images_are_told_apart_and_rows_are_those_of_a_classifier(tmp_path: Path) -> None:
    made = material(tmp_path, images=True)
    found = train_baseline("rival", "features", made)["test"]
    assert accuracy(found) == 1
    row, asked = found.table.to_pylist()[0], made.splits["test"][0]
    assert (row["id"], row["group"], row["label"]) == (asked.id, asked.group, asked.label)
    assert (row["answer"], row["generated"], row["invalid_reason"]) == ("No.", "", None)
    assert row["parsed"] == row["predicted"]
    assert row["prompt_sha256"] == asked.prompt_sha256
    assert (found.model, found.positive, found.length_normalization) == ("rival", "match", None)
    assert np.exp(found.log_probabilities).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["similarities", "fellegi_sunter", "tfidf"])
def test_trained_twice_the_bytes_are_the_same(tmp_path: Path, kind: str) -> None:
    made = material(tmp_path)
    for name in ("first", "second"):
        write_predictions(tmp_path / name, train_baseline("rival", kind, made)["test"])
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.fault("parameters")
def test_texts_have_no_colours(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"baselines\.rival: features .* record r000 has none;"):
        train_baseline("rival", "features", material(tmp_path))


@pytest.mark.fault("parameters")
def test_matches_are_not_found_by_two_attributes(tmp_path: Path) -> None:
    made = material(tmp_path)

    def without_pets(text: str) -> tuple[str, str]:
        left, right = (record.partition("\npet")[0] for record in out_of_pair(text))
        return left, right

    two = replace(made, out_of_pair=without_pets)
    with pytest.raises(VerdictError, match=r"needs records of 3 or more .* have name, town; take"):
        train_baseline("rival", "fellegi_sunter", two)


@pytest.mark.fault("parameters")
def test_one_label_alone_is_refused(tmp_path: Path) -> None:
    made = material(tmp_path)
    alone = [c for c in made.splits["train"] if c.label == "match"]
    with pytest.raises(VerdictError, match=r"all 60 records of the training .* label match; tfidf"):
        train_baseline("rival", "tfidf", replace(made, splits={**made.splits, "train": alone}))


def test_every_kind_is_called_by_words_in_the_report() -> None:
    kinds = get_args(Baseline.model_fields["kind"].annotation)
    assert sorted(METHODS) == sorted([*kinds, EXAMPLES])
