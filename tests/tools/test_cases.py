"""Small made-up inputs that people bring, which lie beside the project where it is developed."""

from pathlib import Path

import pytest

from testing.places import SHARED_DATA
from tests.tools.own_task import loaded
from tools.new_task.__main__ import main
from tools.pack_medpix import Fields, pack
from verdict.core.errors import VerdictError
from verdict.tasks import read_raw

CASES = SHARED_DATA.parent / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs shared/cases")
PAIRS = {
    "layout": "columns", "header": False, "left": "left", "right": "right", "label": "label",
    "entities": None, "match": [1], "no_match": [0],
}  # fmt: skip


def placed(tmp_path: Path, case: str) -> Path:
    (tmp_path / "pairs").symlink_to(CASES / case, target_is_directory=True)
    return tmp_path


def test_sizes_in_suffixes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"train\.txt\.medium is named as a published split is"):
        read_raw("entity_resolution", placed(tmp_path, "pairs_sizes_in_suffixes"), PAIRS)


def test_two_tables_and_ids_are_read(tmp_path: Path) -> None:
    options = {**PAIRS, "layout": "tables", "header": True}
    options |= {"left": "ltable_id", "right": "rtable_id"}
    table = read_raw("entity_resolution", placed(tmp_path, "pairs_two_tables_and_ids"), options)
    assert {row.split for row in table.rows} == {"train", "validation", "test"}
    assert len(table.rows) == 24
    assert table.findings["entities"] == 12


def test_a_folder_a_class_becomes_a_task(labelled: Path) -> None:
    main(["eyes", "--images", str(CASES / "folder_a_class"), "--out", "own"])
    task, _ = loaded("eyes")
    assert len(task.read_table(Path("own"), task.Options()).rows) == 12


def test_questions_with_numbers_types_and_a_test_split(tmp_path: Path) -> None:
    records = CASES / "vqa_with_test_split" / "questions.json"
    with pytest.raises(VerdictError, match=r"case_id is missing.*It has qid, .* by --case"):
        pack(records, tmp_path)
    names = Fields(case="case", image="image_name")
    assert pack(records, tmp_path, names, records.parent / "images").questions == {
        "train": 6, "test": 3,
    }  # fmt: skip
    table = read_raw("medpix_vqa", tmp_path, {"blank_answers": "fail"})
    assert [row.split for row in table.rows] == ["train"] * 6 + ["test"] * 3
    assert [row.answer for row in table.rows][1::6] == ["3", "5"]
    assert table.rows[1].attributes["question_type"] == "COUNT"
    assert table.rows[1].attributes["answer_type"] == "OPEN"
