"""Which entity a record is of: by columns, by tables of ids, and by matches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.test_entity_resolution_embedded import DATASET, EMBEDDED
from tests.tasks.test_entity_resolution_magellan import records
from tests.tasks.test_entity_resolution_table import COLUMNS, read
from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.splitting.assignment import split_records
from verdict.tasks import make_archive, read_raw
from verdict.tasks.entity_resolution.options import Options
from verdict.tasks.entity_resolution.pairs import read_pairs

#: Three texts of Anna and two of Bob; no pair says so.
HIDDEN = [("anna a", "bob b", "0"), ("anna b", "bob a", "0"), ("anna c", "bob a", "0")]


@pytest.mark.parametrize("header", [True, False])
def test_columns_may_name_the_entities(tmp_path: Path, header: bool) -> None:
    names = [("left", "right", "label", "who", "whom")] if header else []
    rows = [*names, *((a, b, label, "A", f" B{'' if header else ' '}") for a, b, label in HIDDEN)]
    content = "".join(",".join(row) + "\n" for row in rows)
    table = read(tmp_path, "p.csv", content, entities=["who", "whom"], header=header)
    assert [row.groups for row in table.rows] == [("A", "B")] * 3
    alone = read(tmp_path, "p.csv", content, header=True) if header else None
    assert alone is None or alone.findings["entities"] == 5


def test_matches_link_what_columns_name_apart(tmp_path: Path) -> None:
    content = "left,right,label,e,f\na,b,1,E1,E2\nc,d,0,E1,E3\nx,y,0,E2,E4\n"
    table = read(tmp_path, "p.csv", content, entities=["e", "f"])
    assert {row.group for row in table.rows} == {"E1"}
    assert table.findings["entities"] == 3


def test_one_column_may_name_the_entity_of_a_pair(tmp_path: Path) -> None:
    content = "left,right,label,block\na,b,1,X\nc,d,0,X\ne,f,0,Y\n"
    table = read(tmp_path, "p.csv", content, entities=["block"])
    assert [row.groups for row in table.rows] == [("X",)] * 2 + [("Y",)]
    with pytest.raises(VerdictError, match=r"p\.csv line 3: block is empty; give the entity a"):
        read(tmp_path, "p.csv", content.replace("0,X", "0, "), entities=["block"])


@pytest.mark.parametrize(
    ("source", "crossing"),
    [("shares", "leave_out"), ("shares", "fail"), ("published", "leave_out")],
)
def test_names_of_entities_decide_nothing(tmp_path: Path, source: Any, crossing: Any) -> None:
    """Numbered as they occur, or backwards: each pair falls where it fell."""
    make_archive("entity_resolution", tmp_path, EMBEDDED)
    table = read_raw("entity_resolution", tmp_path, DATASET)
    names = list(dict.fromkeys(name for row in table.rows for name in row.groups))
    assert names == sorted(names)  # the bootstrap draws entities in this order
    shares = Split(source=source, crossing=crossing, train=0.5, validation=0.1, test=0.4, seed=42)
    if crossing == "fail":  # all are linked to one group otherwise
        table = replace(table, rows=[row for row in table.rows if row.label == "match"])
    own = split_records(records(table), [], shares)
    for sign in (1, -1):
        number = {name: f"entity-{sign * i % 10**6:06d}" for i, name in enumerate(names, start=1)}
        other = [
            replace(
                row,
                group=number[row.group],
                other_group=row.other_group and number[row.other_group],
            )
            for row in table.rows
        ]
        again = split_records(records(replace(table, rows=other)), [], shares)
        assert again.assignment == own.assignment
        assert again.left_out.keys() == own.left_out.keys()


TABLES = {**COLUMNS, "layout": "tables", "left": "ltable_id", "right": "rtable_id"}


def two_tables(folder: Path, pairs: str = "0,0,1\n1,2,0\n") -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in (("A", ("0,Ann,p1", "1,Bob,p2")), ("B", ("0,Anna,p1", "2,Bobby,p2"))):
        content = "id,name,person\n" + "".join(row + "\n" for row in rows)
        (folder / f"table{name}.csv").write_text(content)
    path = folder / "train.csv"
    path.write_text("ltable_id,rtable_id,label\n" + pairs)
    return path


def test_two_tables_and_pairs_of_ids_are_read(tmp_path: Path) -> None:
    two_tables(tmp_path / "pairs")
    table = read_raw("entity_resolution", tmp_path, TABLES)
    assert [(row.id, row.label, row.split) for row in table.rows] == [
        ("train-000001", "match", "train"), ("train-000002", "no_match", "train"),
    ]  # fmt: skip
    assert table.rows[0].text == (
        "Record A:\nCOL name VAL Ann COL person VAL p1\n\n"
        "Record B:\nCOL name VAL Anna COL person VAL p1"
    )
    assert table.rows[1].groups == ("tableA-1", "tableB-2")
    named = read_raw("entity_resolution", tmp_path, {**TABLES, "entities": ["person"]})
    assert named.rows[1].groups == ("p2",)
    assert named.rows[0].text == "Record A:\nCOL name VAL Ann\n\nRecord B:\nCOL name VAL Anna"


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    ("pairs", "options", "said"),
    [
        ("0,7,1\n", {}, r"train\.csv line 2: rtable_id is '7', which is no id in .*tableB\.csv"),
        ("0,0,1\n", {"left": "l_id"}, r"train\.csv has no column 'l_id'; it has ltable_id"),
        ("0,0,1\n", {"entities": ["who"]}, r"tableA\.csv lacks the column who"),
        ("0,0,1\n", {"entities": ["a", "b"]}, r"entities must be one column, of both tables"),
    ],
)
def test_ids_that_name_no_record_are_refused(
    tmp_path: Path, pairs: str, options: dict[str, Any], said: str
) -> None:
    two_tables(tmp_path / "pairs", pairs)
    with pytest.raises(VerdictError, match=said):
        read_raw("entity_resolution", tmp_path, {**TABLES, **options})


@pytest.mark.fault("tables")
def test_tables_need_their_ids_once_and_both_files(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    two_tables(folder)
    (folder / "tableA.csv").write_text("id,name\n0,a\n0,b\n")
    with pytest.raises(VerdictError, match=r"tableA\.csv row 3: the id '0' is another row"):
        read_raw("entity_resolution", tmp_path, TABLES)
    (folder / "tableB.csv").unlink()
    (folder / "tableA.csv").write_text("id,name\n0,a\n")
    with pytest.raises(VerdictError, match=r"has 0 files tableB\.csv, one is expected"):
        read_raw("entity_resolution", tmp_path, TABLES)


def test_new_pairs_of_ids_are_read_beside_their_tables(tmp_path: Path) -> None:
    options = Options(**TABLES)
    (place, text), _ = read_pairs(two_tables(tmp_path), options)
    assert place == "line 2"
    assert text.endswith("Record B:\nCOL name VAL Anna COL person VAL p1")
