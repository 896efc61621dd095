"""Tables of records: labelled pairs by stated keys, no entity in two splits, whatever the order."""

import csv
import io
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tasks.test_entity_resolution_magellan import records
from tests.tasks.test_entity_resolution_table import COLUMNS
from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.raw import RawTable
from verdict.splitting.assignment import split_records
from verdict.splitting.leakage import check_split
from verdict.tasks import read_raw
from verdict.tasks.entity_resolution import Options, out_of_pair, read_pairs

HEADER = ("rec_id", "name", "born", "town")
#: Two records of ann and of bob, one of cal. FEBRL's ids and leading spaces.
PEOPLE = [
    ("rec-1-org", "ann lee", "19500101", "York"),
    ("rec-1-dup-0", "anne lee", "19500101", ""),
    ("rec-2-org", "bob ray", "19500101", "Hull"),
    ("rec-2-dup-0", "bob ray", "19500110", "Hull"),
    ("rec-3-org", "cal lee", "19700101", "York"),
]
OWN: dict[str, Any] = {
    "id": "rec_id",
    "entity_pattern": r"(rec-\d+)-",
    "columns": ["name", "town", "born"],
    "blocking": [{"columns": ["born"], "prefix": 4}, {"columns": ["town"]}],
    "most_pairs": 100_000,
    "most_in_cluster": 20,
    "most_matches": None,
    "no_match_per_match": 2,
    "seed": 20,
}
DATASET = {**COLUMNS, "layout": "records", "entities": ["rec_id"]}


def text_of(rows: Any, header: tuple[str, ...] = HEADER, between: str = ", ") -> str:
    return "".join(between.join(row) + "\n" for row in (header, *rows))


def read(folder: Path, files: dict[str, str], dataset: Any = None, **own: Any) -> RawTable:
    (folder / "pairs").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / "pairs" / name).write_text(content)
    values = {**DATASET, "records": {**OWN, **own}, **(dataset or {})}
    return read_raw("entity_resolution", folder, values)


def told(table: RawTable) -> dict[str, str | None]:
    """The label by the pair's two ids, sorted."""
    return {"+".join(sorted(row.id.split("+"))): row.label for row in table.rows}


def test_one_table_is_paired_with_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read(tmp_path, {"people.csv": text_of(PEOPLE)})
    # born makes ann 1 and 2 and bob 1 and 2 one block of six pairs, town adds York's 1.
    assert table.findings["blocking"] == {
        "possible_pairs": 10, "candidate_pairs": 7, "reduction_ratio": 0.3,
        "true_matches": 2, "matches_found": 2, "pairs_completeness": 1.0, "pairs_quality": 0.285714,
    }  # fmt: skip
    assert table.findings["blocking_keys"]["town"] == {
        "candidate_pairs": 2, "matches_found": 1, "records_without": 1,
    }  # fmt: skip
    assert table.findings["tables"] == {"people.csv": 5}
    assert table.findings["entities"] == 3
    assert table.findings["labels"] == {"match": 2, "no_match": 4}
    labels = told(table)
    assert labels["rec-1-dup-0+rec-1-org"] == labels["rec-2-dup-0+rec-2-org"] == "match"
    row = next(row for row in table.rows if "rec-1-dup-0" in row.id and row.label == "match")
    assert set(out_of_pair(str(row.text))) == {
        "name: ann lee\ntown: York\nborn: 19500101", "name: anne lee\nborn: 19500101",
    }  # fmt: skip
    assert (row.groups, row.split) == (("rec-1",), None)
    assert {row.groups for row in table.rows if row.label == "no_match"} <= {
        (f"rec-{a}", f"rec-{b}") for a in "123" for b in "123"
    }
    assert (
        "people.csv: blocking keeps 2 of 2 matches (pairs completeness 1.000) and 7 of 10 pairs "
        "(reduction ratio 0.3000)\n"
    ) in capsys.readouterr().out


def test_the_most_similar_non_matches_are_taken(tmp_path: Path) -> None:
    table = read(tmp_path, {"people.csv": text_of(PEOPLE)}, no_match_per_match=1)
    # Of the five candidates Cal of York is nearest to Ann; Bob's nearest is the Ann without town.
    others = {pair for pair, label in told(table).items() if label == "no_match"}
    assert others == {"rec-1-org+rec-3-org", "rec-1-dup-0+rec-2-org"}


def test_of_two_tables_the_first_gives_record_a(tmp_path: Path) -> None:
    files = {"a.csv": text_of(PEOPLE[::2]), "b.csv": text_of(PEOPLE[1::2])}
    table = read(tmp_path, files)
    assert table.findings["blocking"]["possible_pairs"] == 6
    assert {row.id.split("+")[0] for row in table.rows} <= {row[0] for row in PEOPLE[::2]}
    assert sum(row.label == "match" for row in table.rows) == 2
    more = {**files, "c.csv": text_of(PEOPLE)}
    with pytest.raises(VerdictError, match=r"has 3 tables \(a\.csv, b\.csv, c\.csv\)"):
        read(tmp_path, more)


def test_every_kind_of_file_gives_the_same_pairs(tmp_path: Path) -> None:
    """Also where a column is of numbers, one of them missing, as pandas writes it."""
    rows = [(i, name, born if i != "rec-3-org" else "", town) for i, name, born, town in PEOPLE]
    tables = [
        read(tmp_path / "csv", {"p.csv": text_of(rows)}),
        read(tmp_path / "tsv", {"p.tsv": text_of(rows, between="\t")}),
    ]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(HEADER)}
    columns["born"] = pa.array([float(cell) if cell else None for cell in columns["born"]])
    (tmp_path / "parquet/pairs").mkdir(parents=True)
    pq.write_table(pa.table(columns), tmp_path / "parquet/pairs/p.parquet")
    tables.append(read(tmp_path / "parquet", {}))
    assert tables[0].rows == tables[1].rows == tables[2].rows
    assert any("born: 19500101" in str(row.text) for row in tables[0].rows)


def test_the_same_text_under_two_names_is_counted(tmp_path: Path) -> None:
    rows = [*PEOPLE, ("rec-9-org", "ann lee", "19500101", "York")]
    assert read(tmp_path, {"p.csv": text_of(rows)}).findings["texts_of_several_entities"] == 1


def people(entities: int, seed: int) -> list[tuple[str, ...]]:
    """Up to three records a person; names and towns that many share."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(entities):
        first, last, town = (rng.integers(n) for n in (15, 25, 8))
        for copy in range(1 + rng.integers(3)):
            born = "" if rng.random() < 0.1 else f"19{rng.integers(50, 70)}0101"
            name = f"n{first} s{last}" + ("x" if rng.random() < 0.2 else "")
            rows.append((f"rec-{number}-dup-{copy}", name, born, f"t{town}"))
    return rows


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    most=st.integers(2, 15),
    matches=st.none() | st.integers(20, 60),
    per_match=st.integers(1, 4),
    order=st.randoms(use_true_random=False),
)
def test_no_entity_in_two_splits_every_pair_once_and_the_order_of_rows_is_nothing(
    tmp_path: Path, seed: int, most: int, matches: int | None, per_match: int, order: Any
) -> None:
    rows = people(120, seed)
    own = {"most_in_cluster": most, "most_matches": matches, "no_match_per_match": per_match}
    table = read(tmp_path, {"p.csv": text_of(rows)}, **own)
    order.shuffle(rows)
    again = read(tmp_path, {"p.csv": text_of(rows)}, **own)
    assert (again.rows, again.findings) == (table.rows, table.findings)
    labels = told(table)
    assert len(labels) == len(table.rows)
    count = Counter(labels.values())
    assert count["match"] == min(matches or 10**6, table.findings["blocking"]["matches_found"])
    assert 0 < count["no_match"] <= per_match * count["match"]
    for row in table.rows:
        first, second = (id_.rpartition("-dup")[0] for id_ in row.id.split("+"))
        assert row.groups == ((first,) if first == second else (first, second))
        assert (row.label == "match") == (first == second)
    # What is compared, directly or over others, is at most a cluster.
    linked: dict[str, set[str]] = {}
    for row in table.rows:
        joined = set().union(*(linked.get(group, {group}) for group in row.groups))
        linked |= dict.fromkeys(joined, joined)
    assert max(map(len, linked.values())) <= most
    shares = Split(source="shares", crossing="fail", train=0.6, validation=0.2, test=0.2, seed=seed)
    division = split_records(records(table), [], shares)
    assert not division.left_out
    check_split(records(table), [], division.assignment)


def test_the_matches_drawn_do_not_depend_on_what_is_taken_beside_them(tmp_path: Path) -> None:
    rows = people(120, 1)
    drawn = [
        {pair for pair, label in told(read(tmp_path, {"p.csv": text_of(rows)}, **own)).items()
         if label == "match"}
        for own in ({"most_matches": 20}, {"most_matches": 20, "no_match_per_match": 4},
                    {"most_matches": 20, "most_in_cluster": 3})
    ]  # fmt: skip
    assert all(a == b for a, b in pairwise(drawn))
    other = told(read(tmp_path, {"p.csv": text_of(rows)}, most_matches=20, seed=21))
    assert {pair for pair, label in other.items() if label == "match"} != drawn[0]


def test_which_record_comes_first_tells_nothing(tmp_path: Path) -> None:
    table = read(tmp_path, {"p.csv": text_of(people(400, 3))})
    for label in ("match", "no_match"):
        ids = [row.id.split("+") for row in table.rows if row.label == label]
        assert 0.4 < sum(a < b for a, b in ids) / len(ids) < 0.6


def changed(row: int, column: str, cell: str) -> str:
    rows = [list(cells) for cells in PEOPLE]
    rows[row][HEADER.index(column)] = cell
    out = io.StringIO()
    csv.writer(out).writerows([HEADER, *rows])
    return out.getvalue()


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    ("content", "own", "dataset", "said"),
    [
        ("", {"id": "record"}, {}, r"p\.csv has no column 'record'; it has rec_id, name"),
        ("", {"columns": ["name", "sex"]}, {}, r"p\.csv has no column 'sex'"),
        ("", {"blocking": [{"columns": ["zip"]}]}, {}, r"p\.csv has no column 'zip'"),
        ("", {"id": "name"}, {"entities": ["person"]}, r"p\.csv has no column 'person'"),
        (changed(1, "rec_id", ""), {}, {}, r"p\.csv line 3: rec_id is empty; each record needs"),
        (changed(1, "rec_id", "rec-1-org"), {}, {},
         r"p\.csv line 3: the rec_id 'rec-1-org' stands on line 2 already"),
        (changed(1, "rec_id", "record 1"), {}, {},
         r"p\.csv line 3: rec_id is 'record 1', which does not begin as .*entity_pattern says"),
        (changed(4, "town", " "), {"entity_pattern": None}, {"entities": ["town"]},
         r"records has town among its columns or keys, and it names the entity"),
        (changed(4, "town", " "), {"entity_pattern": None, "columns": ["name"],
         "blocking": [{"columns": ["born"]}]}, {"entities": ["town"]},
         r"p\.csv line 3: town is empty, so that it cannot be told which entity"),
        (changed(1, "name", " "), {"columns": ["name", "town"]}, {},
         r"p\.csv line 3: name, town are all empty"),
        (text_of([]), {}, {}, r"p\.csv holds no records"),
        ("", {"most_pairs": 5}, {}, r"the key born \(first 4\) makes 6 pairs, and most_pairs"),
        ("", {"entity_pattern": r"(rec-\d+-.*)"}, {}, r"blocking: 0 of the 7 pairs that the keys"),
        ("", {"entity_pattern": "(rec)"}, {}, r"blocking: 7 of the 7 pairs that the keys"),
        ("", {"blocking": []}, {}, r"records must name columns, .* and blocking"),
        ("", {"blocking": [{"columns": []}]}, {}, r"dataset\.records\.blocking"),
        ("", {"blocking": [{"columns": ["born"], "window": 4}]}, {}, r"a window must be odd"),
        ("", {"blocking": [{"columns": ["born"], "code": "metaphone"}]}, {}, r"soundex"),
        ("", {"blocking": [{"columns": ["born"]}] * 2}, {}, r"the key 'born' stands there twice"),
        ("", {"entity_pattern": r"rec-\d+"}, {}, r"must have one group, as \(\\d\+\) is, not 0"),
        ("", {"entity_pattern": "("}, {}, r"'\(' is no regular expression"),
        ("", {}, {"header": False}, r"header must be true where layout is records"),
        ("", {}, {"entities": None}, r"entities must be one column where layout is records"),
        ("", {}, {"records": None}, r"records must name columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_paired_is_refused_by_name(
    tmp_path: Path, content: str, own: Any, dataset: Any, said: str
) -> None:
    with pytest.raises(VerdictError, match=said):
        read(tmp_path, {"p.csv": content or text_of(PEOPLE)}, dataset, **own)


def test_new_pairs_of_texts_are_asked_about_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text('left,right\n"name: ann\nborn: 1950",name: anne\n')
    ((place, text),) = read_pairs(path, Options.model_validate({**DATASET, "records": OWN}))
    assert (place, out_of_pair(text)) == ("line 3", ("name: ann\nborn: 1950", "name: anne"))
