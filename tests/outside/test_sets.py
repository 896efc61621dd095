"""A set from elsewhere has names of its own and the task's labels, and passes the gate or stops."""

import pytest

from verdict.core.errors import VerdictError
from verdict.outside.leakage import Leak
from verdict.outside.sets import describe, table_of, without_leaks
from verdict.params.data import Fetch
from verdict.params.evaluation import Outside
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import Record

ANSWERS = {"benign": "No.", "melanoma": "Yes."}
FETCH = Fetch(source="embedded", files={}, local="stages/fetch.py", embedded={})
SET = Outside(
    fetch=FETCH,
    dataset={},
    labels={},
    groups_are="patients",
    same_groups=False,
    crossing="fail",
    subgroups=[],
)
TABLE = RawTable(
    [
        RawRow("a", "7", "benign"),
        RawRow("b", "7", "melanoma"),
        RawRow("c", "8", "melanoma", other_group="7"),
    ],
    [("a", "b")],
)


def changed(**values: object) -> Outside:
    return SET.model_copy(update=values)


def record(name: str, group: str, **attributes: str) -> Record:
    return Record(name, group, "benign", None, None, None, attributes, name, 0)


def test_its_records_and_groups_are_none_of_the_tasks_own() -> None:
    table = table_of("other", TABLE, SET, ANSWERS)
    assert [row.id for row in table.rows] == ["other:a", "other:b", "other:c"]
    assert [row.groups for row in table.rows][1:] == [("other:7",), ("other:8", "other:7")]
    assert table.duplicates == [("other:a", "other:b")]


def test_groups_of_the_tasks_own_keep_their_names() -> None:
    table = table_of("other", TABLE, changed(same_groups=True), ANSWERS)
    assert [row.groups for row in table.rows] == [("7",), ("7",), ("8", "7")]


def test_labels_are_called_as_the_task_calls_them() -> None:
    rows = [RawRow("a", "1", "not_melanoma"), RawRow("b", "2", "melanoma")]
    options = changed(labels={"not_melanoma": "benign"})
    table = table_of("other", RawTable(rows), options, ANSWERS)
    assert [row.label for row in table.rows] == ["benign", "melanoma"]
    with pytest.raises(
        VerdictError,
        match=r"outside\.other: 1 of 2 rows have labels that format.answers has not, not_melanoma, "
        r"first other:a; say in outside\.other\.labels which of benign, melanoma they are",
    ):
        table_of("other", RawTable(rows), SET, ANSWERS)
    with pytest.raises(VerdictError, match=r"labels renames naevus, which no row .* melanoma, not"):
        table_of("other", RawTable(rows), changed(labels={"naevus": "benign"}), ANSWERS)


def test_free_text_has_no_labels() -> None:
    table = table_of("other", RawTable([RawRow("a", "1", None, answer="left")]), SET, {})
    assert table.rows[0].label is None


def test_a_leak_stops_with_the_records_names() -> None:
    records = [record("o:1", "o:7"), record("o:2", "o:7"), record("o:3", "o:8")]
    leaks = {"o:1": Leak("r9", "train", "identical", "the image of")}
    with pytest.raises(
        VerdictError,
        match=r"outside\.o: models have seen 1 of its 3 records in training or validation: "
        r"o:1 \(the image of r9 of train\)\. Take them out of the set, or set outside\.o\.crossing "
        r"to leave_out, which leaves out their patients",
    ):
        without_leaks("o", records, leaks, SET)


def test_left_out_are_whole_groups_and_what_is_left_is_counted() -> None:
    records = [record("o:1", "o:7"), record("o:2", "o:7"), record("o:3", "o:8")]
    leaks = {"o:1": Leak("r9", "train", "identical", "the image of")}
    kept = without_leaks("o", records, leaks, changed(crossing="leave_out"))
    assert [one.id for one in kept] == ["o:3"]
    assert describe(records, kept, leaks, frozenset({"o:8"})) == {
        "asked": 1,
        "asked_groups": 1,
        "groups_in_test": 1,
        "label_benign": 1,
        "left_out_as_seen": 2,
        "leaks": {"identical": 1},
    }
    with pytest.raises(VerdictError, match=r"have seen all of its patients .* nothing is left"):
        without_leaks("o", records[:2], leaks, changed(crossing="leave_out"))


def test_an_attribute_that_no_record_has_is_named() -> None:
    with pytest.raises(VerdictError, match=r"outside\.o\.subgroups: .*site; there are sex\. Corr"):
        without_leaks("o", [record("o:1", "o:7", sex="f")], {}, changed(subgroups=["site"]))
