"""The synthetic archive of pairs: the published layout, the same bytes, sensible people."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from testing.places import ROOT
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of_tree
from verdict.records.raw import RawTable
from verdict.synthetic import people
from verdict.tasks import make_archive, read_raw
from verdict.tasks.entity_resolution.archive.layout import QUESTION

EMBEDDED = {"seed": 20, "entities": 300, "no_match_per_match": 2}
DATASET: dict[str, Any] = {
    "layout": "messages",
    "header": True,
    "left": "left",
    "right": "right",
    "label": "label",
    "match": ["True"],
    "entities": None,
    "no_match": ["False"],
}
WRITE = """
import sys
from pathlib import Path
from verdict.tasks import make_archive
options = {"seed": int(sys.argv[2]), "entities": 300, "no_match_per_match": 2}
make_archive("entity_resolution", Path(sys.argv[1]), options)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    make_archive("entity_resolution", folder, EMBEDDED)
    return folder


@pytest.fixture(scope="module")
def table(archive: Path) -> RawTable:
    return read_raw("entity_resolution", archive, DATASET)


def fields(record: str) -> dict[str, str]:
    return dict(line.split(": ") for line in record.split("\n"))


def sides(text: str | None) -> tuple[dict[str, str], dict[str, str]]:
    left, right = str(text).removeprefix("Record A:\n").split("\n\nRecord B:\n")
    return fields(left), fields(right)


@pytest.mark.parametrize("seed", [20, 21])
def test_another_process_writes_the_same_bytes_for_the_same_seed(
    archive: Path, tmp_path: Path, seed: int
) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "3", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", WRITE, str(tmp_path / "again"), str(seed)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    same = sha256_of_tree(tmp_path / "again") == sha256_of_tree(archive)
    assert same is (seed == EMBEDDED["seed"])


def test_the_layout_is_the_published_one(archive: Path) -> None:
    files = sorted(path.name for path in (archive / "pairs").iterdir())
    assert files == [f"{name}-00000-of-00001.parquet" for name in ("eval", "test", "train")]
    rows = pq.read_table(archive / "pairs" / files[2]).to_pylist()
    user, assistant = rows[0]["messages"]
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    opening, ending = QUESTION.split("{left}")[0], QUESTION.split("{right}")[1]
    assert user["content"].startswith(opening)
    assert user["content"].endswith(ending)
    assert {row["messages"][1]["content"] for row in rows} == {"True", "False"}


def test_every_person_is_one_entity(table: RawTable) -> None:
    assert table.findings["entities"] == EMBEDDED["entities"]
    assert table.findings["texts_of_the_largest_entity"] <= 3
    assert table.findings["no_match_within_an_entity"] == 0
    labels = Counter(row.label for row in table.rows)
    assert labels["no_match"] == 2 * labels["match"]
    splits = Counter(row.split for row in table.rows)
    assert splits["train"] / len(table.rows) == pytest.approx(0.7, abs=0.01)


def test_no_field_alone_tells_a_match(table: RawTable) -> None:
    for field in people.FIELDS:
        agree: dict[str, list[bool]] = {"match": [], "no_match": []}
        for row in table.rows:
            left, right = sides(row.text)
            agree[str(row.label)].append(left.get(field) == right.get(field))
        shares = {label: sum(values) / len(values) for label, values in agree.items()}
        assert 0.6 < shares["match"] < 0.95, field
        assert 0.01 < shares["no_match"] < 0.6, field


def test_some_who_differ_share_name_or_home(table: RawTable) -> None:
    others = [sides(row.text) for row in table.rows if row.label == "no_match"]
    named = sum(a.get("name") == b.get("name") for a, b in others)
    at_home = sum(
        (a.get("town"), a.get("street")) == (b.get("town"), b.get("street")) for a, b in others
    )
    assert named / len(others) > 0.02
    assert at_home / len(others) > 0.1


def test_the_tiny_models_vocabulary_covers_every_word(table: RawTable) -> None:
    for row in table.rows:
        for record in sides(row.text):
            for field, value in record.items():
                known = {word for place in people.words(field) for word in place}
                assert set(value.split()) <= known


@pytest.mark.parametrize(
    "change", [{"entities": 5}, {"no_match_per_match": 0}, {"seed": -1}, {"people": 3}]
)
def test_options_out_of_range_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    with pytest.raises(VerdictError, match=rf"fetch\.embedded\.{next(iter(change))}"):
        make_archive("entity_resolution", tmp_path, {**EMBEDDED, **change})
