"""Magellan's real pairs, and what of a folder is read."""

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from tests.tasks.test_entity_resolution_table import COLUMNS, MAGELLAN, lines, read
from tools.rendering import recipe_values
from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.raw import RawTable
from verdict.records.shards import Record
from verdict.splitting.assignment import split_records
from verdict.splitting.leakage import check_split
from verdict.tasks import read_raw
from verdict.tasks.entity_resolution import out_of_pair


def magellan(folder: Path, name: str) -> RawTable:
    if not (MAGELLAN / name).is_dir():
        pytest.skip("the real Magellan pairs are not here")
    shutil.copytree(MAGELLAN / name, folder / "pairs")
    return read_raw("entity_resolution", folder, {**COLUMNS, "header": False})


def records(table: RawTable) -> list[Record]:
    return [
        Record(
            id=row.id,
            group=row.group,
            label=row.label,
            text=row.text,
            answer=None,
            split=row.split,
            attributes={},
            sha256=hashlib.sha256(str(row.text).encode()).hexdigest(),
            row=position,
            other_group=row.other_group,
            has_image=False,
        )
        for position, row in enumerate(table.rows)
    ]


@pytest.mark.parametrize(
    ("name", "pairs", "matches", "entities"),
    [("Beer", (268, 91, 91), 68, 476), ("Fodors-Zagats", (567, 190, 189), 110, 421)],
)
def test_magellans_real_pairs_are_read_as_they_are(
    tmp_path: Path, name: str, pairs: tuple[int, int, int], matches: int, entities: int
) -> None:
    table = magellan(tmp_path, name)
    splits = Counter(row.split for row in table.rows)
    assert (splits["train"], splits["validation"], splits["test"]) == pairs
    assert Counter(row.label for row in table.rows)["match"] == matches
    assert table.findings["entities"] == entities
    assert table.findings["no_match_within_an_entity"] == 0
    assert all("COL " in str(row.text) and " VAL " in str(row.text) for row in table.rows)


def test_the_restaurants_recipe_reads_pairs_whose_class_is_the_answer(tmp_path: Path) -> None:
    """As the head of the recipe says: what all compare on holds its label."""
    if not (MAGELLAN / "Fodors-Zagats").is_dir():
        pytest.skip("the real Magellan pairs are not here")
    shutil.copytree(MAGELLAN / "Fodors-Zagats", tmp_path / "pairs")
    values = recipe_values(ROOT / "recipes/laptop/restaurants.yaml")
    rows = read_raw(values["task"], tmp_path, values["dataset"]).rows
    assert len(rows) == 946
    for row in rows:
        first, second = (
            side.rpartition(" COL class VAL ")[2] for side in out_of_pair(str(row.text))
        )
        assert (first == second) == (row.label == "match")


@pytest.mark.parametrize(
    ("name", "source", "left_out"),
    [
        ("Beer", "shares", 233),
        ("Beer", "published", 178),
        ("Fodors-Zagats", "shares", 485),
        ("Fodors-Zagats", "published", 666),
    ],
)
def test_no_real_entity_is_in_two_splits(
    tmp_path: Path, name: str, source: Any, left_out: int
) -> None:
    rows = records(magellan(tmp_path, name))
    shares = Split(
        source=source, crossing="leave_out", train=0.6, validation=0.2, test=0.2, seed=42
    )
    division = split_records(rows, [], shares)
    assert len(division.left_out) == left_out
    check_split(rows, [], division.assignment)
    splits: dict[str, set[str]] = {}
    for row in rows:
        for group in (row.group, row.other_group):
            if group is not None and row.id in division.assignment:
                splits.setdefault(group, set()).add(division.assignment[row.id])
    assert splits
    assert all(len(its) == 1 for its in splits.values())


def test_the_published_splits_of_real_pairs_share_entities(tmp_path: Path) -> None:
    rows = records(magellan(tmp_path, "Beer"))
    shares = Split(source="published", crossing="fail", train=0.6, validation=0.2, test=0.2, seed=0)
    with pytest.raises(VerdictError, match="the published splits divide"):
        split_records(rows, [], shares)


@pytest.mark.parametrize("name", ["train.txt.small", "Test.xlsx", "valid"])
def test_a_published_split_that_is_not_read_is_refused(tmp_path: Path, name: str) -> None:
    read(tmp_path, "test.txt", lines("\t"))
    (tmp_path / "pairs" / name).write_text("x")
    with pytest.raises(VerdictError, match=rf"{name} is named as a published split is, but cannot"):
        read(tmp_path, "test.txt", lines("\t"))


def test_other_files_that_are_not_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "files_not_read" not in read(tmp_path, "train.txt", lines("\t")).findings
    (tmp_path / "pairs" / "readme.md").write_text("x")
    table = read(tmp_path, "train.txt", lines("\t"))
    assert table.findings["files_not_read"] == ["readme.md"]
    assert "pairs: not read: readme.md (read is each file that ends in" in capsys.readouterr().out
