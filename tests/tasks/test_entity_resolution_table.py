"""Tables of pairs: every layout, every file kind, and Magellan's real pairs."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from testing.places import SHARED_DATA
from verdict.core.errors import VerdictError
from verdict.records.raw import RawTable
from verdict.tasks import read_raw

MAGELLAN = SHARED_DATA / "er_magellan"
COLUMNS: dict[str, Any] = {
    "layout": "columns",
    "header": True,
    "left": "left",
    "right": "right",
    "label": "label",
    "entities": None,
    "match": [1, True],
    "no_match": [0, False],
}
MESSAGES = {**COLUMNS, "layout": "messages", "match": ["True"], "no_match": ["False"]}
#: Left, right, label. Anna's three texts are one entity; Bob is another.
PAIRS = [("anna a", "anna b", "1"), ("anna b", "anna c", "1"), ("anna c", "bob", "0")]


def read(folder: Path, name: str, content: str | bytes, **options: Any) -> RawTable:
    path = folder / "pairs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_raw("entity_resolution", folder, {**COLUMNS, **options})


def lines(separator: str, pairs: Any = PAIRS, header: bool = True) -> str:
    rows = [("left", "right", "label"), *pairs] if header else pairs
    return "".join(separator.join(row) + "\n" for row in rows)


def jsonl(pairs: Any = PAIRS) -> str:
    keys = ("left", "right", "label")
    return "".join(json.dumps(dict(zip(keys, pair, strict=True))) + "\n" for pair in pairs)


def question(left: str, right: str) -> str:
    return (
        "You are an expert. Compare these two records.\n\n"
        f"Record A:\n{left}\n\nRecord B:\n{right}\n\n"
        "Are these the same patient? Answer only 'True' or 'False'."
    )


def conversation(left: str, right: str, answer: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": question(left, right)},
        {"role": "assistant", "content": answer},
    ]


def parquet(path: Path, columns: dict[str, list[Any]]) -> bytes:
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("pairs.csv", lines(","), {}),
        ("pairs.csv", lines(",").replace("\n", "\r\n"), {}),
        ("pairs.csv", "\ufeff" + lines(","), {}),
        ("pairs.csv", lines(",", header=False), {"header": False}),
        ("pairs.tsv", lines("\t"), {}),
        ("pairs.txt", lines("\t", header=False), {"header": False}),
        ("pairs.jsonl", jsonl(), {}),
        ("pairs.jsonl", jsonl([(a, b, bool(int(c))) for a, b, c in PAIRS]), {}),
        (
            "pairs.csv",
            "gold,ltable,rtable,id\n" + "".join(f"{c},{a},{b},7\n" for a, b, c in PAIRS),
            {"left": "ltable", "right": "rtable", "label": "gold"},
        ),
    ],
)
def test_every_kind_of_table_gives_the_same_pairs(
    tmp_path: Path, name: str, content: str, options: dict[str, Any]
) -> None:
    rows = read(tmp_path, name, content, **options).rows
    assert [row.id for row in rows] == ["pairs-000001", "pairs-000002", "pairs-000003"]
    assert [row.label for row in rows] == ["match", "match", "no_match"]
    assert [row.text for row in rows] == [
        f"Record A:\n{left}\n\nRecord B:\n{right}" for left, right, _ in PAIRS
    ]
    assert {row.split for row in rows} == {None}


def test_parquet_columns_and_conversations_are_read(tmp_path: Path) -> None:
    left, right, label = zip(*PAIRS, strict=True)
    columns = {"left": list(left), "right": list(right), "label": [int(one) for one in label]}
    plain = read(tmp_path / "a", "pairs.parquet", parquet(tmp_path / "a.parquet", columns))
    talk = [conversation(a, b, str(c == "1")) for a, b, c in PAIRS]
    content = parquet(tmp_path / "b.parquet", {"messages": talk})
    spoken = read(tmp_path / "b", "pairs.parquet", content, **MESSAGES)
    assert plain.rows == spoken.rows
    assert len(plain.rows) == len(PAIRS)


def test_an_entity_is_what_matches_link_over_any_number_of_records(tmp_path: Path) -> None:
    table = read(tmp_path, "pairs.csv", lines(","))
    assert [row.group for row in table.rows] == ["pairs-000001-A"] * 3
    assert [row.other_group for row in table.rows] == [None, None, "pairs-000003-B"]
    assert table.findings["texts"] == 4
    assert table.findings["entities"] == 2
    assert table.findings["texts_of_the_largest_entity"] == 3


def test_equal_texts_are_one_record_on_either_side(tmp_path: Path) -> None:
    pairs = [("x", "y", "1"), ("z", "x ", "0"), ("x", "y", "0")]
    table = read(tmp_path, "pairs.csv", lines(",", pairs))
    first, second, third = table.rows
    assert second.other_group == first.group == third.group
    assert third.other_group is None
    # x and y are called a match in one line and none in another.
    assert table.findings["no_match_within_an_entity"] == 1


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("train-00000-of-00001.csv", "train"),
        ("valid.csv", "validation"),
        ("eval-00000-of-00001.csv", "validation"),
        ("Dev.csv", "validation"),
        ("test.csv", "test"),
        ("trained_pairs.csv", None),
        ("beer.csv", None),
    ],
)
def test_the_files_name_says_the_published_split(
    tmp_path: Path, name: str, split: str | None
) -> None:
    assert {row.split for row in read(tmp_path, name, lines(",")).rows} == {split}


def test_quotation_marks_are_csvs_but_text_in_tsv(tmp_path: Path) -> None:
    quoted = read(tmp_path / "a", "a.csv", 'left,right,label\n"one, two\nlines",b,1\n')
    assert quoted.rows[0].text == "Record A:\none, two\nlines\n\nRecord B:\nb"
    plain = read(tmp_path / "b", "b.tsv", 'left\tright\tlabel\n12" disc\t"open\t1\n')
    assert plain.rows[0].text == 'Record A:\n12" disc\n\nRecord B:\n"open'


def test_labels_may_be_any_words_in_any_case(tmp_path: Path) -> None:
    pairs = [("a", "b", "Same"), ("a", "c", "DIFFERENT")]
    table = read(tmp_path, "p.csv", lines(",", pairs), match=["same"], no_match=["different"])
    assert [row.label for row in table.rows] == ["match", "no_match"]


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("p.csv", lines(",", [("a", "b", "2")]), r"p\.csv line 2: label is '2'; expected one of 1"),
        ("p.csv", "left,right,label\n,b,1\n", r"p\.csv line 2: left is empty"),
        ("p.csv", "left,right,label\na, ,1\n", r"p\.csv line 2: right is empty"),
        ("p.csv", "left,right,label\na,b\n", r"p\.csv line 2 has 2 cells, not 3"),
        ("p.csv", 'left,right,label\na,"b,1\n', r"p\.csv line 2 cannot be read"),
        ("p.csv", lines(",", header=False), r"p\.csv has no column 'left'; it has anna a.*header"),
        ("p.tsv", "name VAL " + "x " * 400 + "\tb\t1\n", r"it has name VAL [x ]{20,30}…, b, 1\."),
        ("p.csv", "left,right\na,b\n", r"p\.csv has no column 'label'; it has left, right"),
        ("p.csv", "", r"p\.csv has no column 'left'; it has none"),
        ("p.csv", b"left,right,label\n\xff,b,1\n", r"p\.csv is not UTF-8"),
        ("p.jsonl", '{"left": "a", "right": "b"}\n', r"p\.jsonl line 1 has no column 'label'"),
        ("p.jsonl", jsonl() + "{\n", r"p\.jsonl line 4 is no JSON"),
        (
            "p.jsonl",
            jsonl() + '"' + r"\ud800" + '"\n',
            r"p\.jsonl line 4 .*'\\ud800' is no character",
        ),
        ("p.jsonl", jsonl() + "[" * 100_000, r"p\.jsonl line 4 .*nested too deeply"),
        ("p.jsonl", "[1]\n", r"p\.jsonl line 1 is no JSON object"),
        ("p.jsonl", jsonl([("a", 5, 1)]), r"p\.jsonl line 1: right is 5; expected text"),
        ("p.jsonl", jsonl([("a", None, 1)]), r"p\.jsonl line 1: right is empty"),
        ("p.parquet", b"PAR1", r"p\.parquet is not a complete Parquet file"),
        ("p.csv", "left,right,label,left \na,b,1,c\n", r"p\.csv has the column 'left' 2 times"),
        (
            "p.jsonl",
            jsonl()[:-2] + ', "left": "x"}\n',
            r"p\.jsonl line 3 has the key 'left' 2",
        ),
        ("readme.md", "nothing", r"pairs holds no file of pairs \(\.csv, "),
        ("p.csv", "left,right,label\n", r"pairs holds no pairs"),
    ],
)
def test_a_bad_file_is_named_with_line_and_column(
    tmp_path: Path, name: str, content: str | bytes, expected: str
) -> None:
    with pytest.raises(VerdictError, match=expected):
        read(tmp_path, name, content)


@pytest.mark.fault("tables")
def test_a_parquet_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([["a"], ["b"], ["1"], ["c"]], names=["left", "right", "label", "left"])
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(VerdictError, match=r"p\.parquet has the column 'left' 2 times"):
        read(tmp_path, "p.parquet", (tmp_path / "p.parquet").read_bytes())


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        conversation("a", "b", "True")[:1],
        [{"role": "user", "content": "Record A:\na"}, {"role": "assistant", "content": "True"}],
    ],
)
def test_a_conversation_of_another_form_is_named(tmp_path: Path, messages: Any) -> None:
    talk = [conversation("a", "b", "False"), messages]
    content = parquet(tmp_path / "p.parquet", {"messages": talk})
    with pytest.raises(VerdictError, match=r"p\.parquet row 2: messages is no question with"):
        read(tmp_path, "p.parquet", content, **MESSAGES)


@pytest.mark.fault("tables")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    read(tmp_path, "a/train.csv", lines(","))
    with pytest.raises(VerdictError, match="two files called train"):
        read(tmp_path, "b/train.csv", lines(","))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"match": [1], "no_match": ["0", "1"]}, "match and no_match both have '1'"),
        ({"left": "right"}, "left, right and label must be three different columns"),
        ({"layout": "rows"}, r"dataset\.layout"),
        ({"match": []}, r"dataset\.match"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(VerdictError, match=expected):
        read(tmp_path, "p.csv", lines(","), **options)
