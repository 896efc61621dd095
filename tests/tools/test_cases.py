"""Small made-up inputs that people bring, which lie beside the project where it is developed."""

from pathlib import Path

import pytest

from tests.conftest import SHARED_DATA
from tests.tools.own_task import loaded
from tools.new_task.__main__ import main
from tools.pack_medpix import pack
from verdict.errors import VerdictError
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
    task = loaded("eyes")
    assert len(task.read_table(Path("own"), task.Options()).rows) == 12


def test_other_names_of_fields_are_told_with_those_that_are_there(tmp_path: Path) -> None:
    records = CASES / "vqa_with_test_split" / "questions.json"
    with pytest.raises(VerdictError, match=r"case_id is missing.*It has qid, .* needed"):
        pack(records, tmp_path)
