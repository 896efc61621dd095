"""Blocking keys: the pairs they bring together, and what is lost, by hand and by brute force."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdict.core.errors import VerdictError
from verdict.tasks.entity_resolution.blocking import Unpaired, block, soundex
from verdict.tasks.entity_resolution.options import Key

#: Three records of A, one of B, two of C: 15 pairs, 4 of them matches.
ROWS = [
    ("1", "A", "Smith", "1000"),
    ("2", "A", "smith", "1001"),
    ("3", "A", "smyth", "1000"),
    ("4", "B", "smith", "1000"),
    ("5", "C", "jones", "2000"),
    ("6", "C", "jones", ""),
]


def record(id_: str, entity: str, surname: str, postcode: str, table: int = 0) -> Unpaired:
    return Unpaired(id_, entity, table, {"surname": surname, "postcode": postcode}, surname)


def key(*columns: str, **options: Any) -> Key:
    return Key(columns=list(columns), **options)


@pytest.mark.parametrize(
    ("keys", "pairs", "matches"),
    [
        ([key("surname")], "12 14 24 56", 2),
        ([key("surname", code="soundex")], "12 13 14 23 24 34 56", 4),
        ([key("postcode")], "13 14 34", 1),
        ([key("surname", "postcode")], "14", 0),
        ([key("postcode", prefix=3)], "12 13 14 23 24 34", 3),
        ([key("postcode", window=3)], "12 13 14 23 24 25 34", 3),
        ([key("surname", "postcode", code="soundex")], "13 14 34", 1),
        ([key("surname"), key("postcode")], "12 13 14 24 34 56", 3),
    ],
)
def test_keys_bring_together_what_agrees(keys: list[Key], pairs: str, matches: int) -> None:
    records = [record(*row) for row in ROWS]
    found = block(records, keys, 100)
    assert [records[a].id + records[b].id for a, b in found.pairs] == pairs.split()
    count = len(pairs.split())
    assert found.counts == {
        "possible_pairs": 15,
        "candidate_pairs": count,
        "reduction_ratio": round(1 - count / 15, 6),
        "true_matches": 4,
        "matches_found": matches,
        "pairs_completeness": matches / 4,
        "pairs_quality": round(matches / count, 6),
    }


def test_each_key_is_counted_by_itself_and_empty_cells_have_none() -> None:
    found = block([record(*row) for row in ROWS], [key("surname"), key("postcode")], 100)
    assert found.by_key == {
        "surname": {"candidate_pairs": 4, "matches_found": 2, "records_without": 0},
        "postcode": {"candidate_pairs": 3, "matches_found": 1, "records_without": 1},
    }


def test_of_two_tables_a_pair_has_one_record_each() -> None:
    records = [record(*ROWS[i], table=0) for i in (0, 1, 3, 4)]
    records += [record(*ROWS[i], table=1) for i in (2, 5)]
    found = block(records, [key("surname"), key("postcode", window=3)], 100)
    assert [records[a].id + records[b].id for a, b in found.pairs] == ["13", "23", "43", "56"]
    assert found.counts["possible_pairs"] == 8
    assert found.counts["true_matches"] == 3
    assert found.counts["reduction_ratio"] == 0.5
    assert found.counts["pairs_completeness"] == 1


@pytest.mark.fault("tables")
@pytest.mark.parametrize("code", [None, "soundex"])
def test_a_key_that_makes_too_many_pairs_is_named_with_its_largest_block(code: Any) -> None:
    records = [record(str(i), str(i), "smith", "1") for i in range(200)]
    found = block(records, [key("surname", "postcode", code=code)], 19_900)
    assert len(found.pairs) == 19_900
    value = "s530 \\+ 1" if code else "smith \\+ 1"
    with pytest.raises(
        VerdictError,
        match=rf"the key surname \+ postcode.* makes 19,900 pairs, and most_pairs allows "
        rf"19,899; 200 of 200 records have the value '{value}'",
    ):
        block(records, [key("surname", "postcode", code=code)], 19_899)


def test_nobody_agrees() -> None:
    found = block([record("1", "A", "a", ""), record("2", "A", "b", "")], [key("postcode")], 9)
    assert found.pairs.shape == (0, 2)
    assert found.counts["pairs_completeness"] == 0


WORDS = st.sampled_from(["", "a", "ab", "B", "bb", "c"])
RECORDS = st.lists(st.tuples(st.sampled_from("ABC"), WORDS, WORDS, st.booleans()), max_size=12)
KEYS = st.sampled_from(
    [key("surname"), key("surname", prefix=1), key("postcode", window=3),
     key("surname", "postcode", window=5), key("postcode", code="soundex")]
)  # fmt: skip


@given(rows=RECORDS, own=KEYS, linked=st.booleans())
def test_pairs_are_those_of_a_search_through_all(rows: Any, own: Key, linked: bool) -> None:
    records = [
        record(str(i), entity, surname, postcode, int(second and linked))
        for i, (entity, surname, postcode, second) in enumerate(rows)
    ]
    records.sort(key=lambda record: record.table)
    tables = {record.table for record in records}

    def value(one: Unpaired) -> tuple[str, ...] | None:
        cells = [one.cells[column].lower()[: own.prefix] for column in own.columns]
        return tuple(soundex(c) if own.code else c for c in cells) if all(cells) else None

    values = sorted({v for one in records if (v := value(one)) is not None})
    expected = [
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(records), 2)
        if (1 not in tables or a.table != b.table)
        and (first := value(a)) is not None
        and (second := value(b)) is not None
        and abs(values.index(first) - values.index(second)) <= own.window // 2
    ]
    found = block(records, [own], 10_000)
    assert found.pairs.tolist() == [list(pair) for pair in expected]
    everything = block(
        [Unpaired(one.id, one.entity, one.table, {"all": "x"}, "") for one in records],
        [key("all")],
        10_000,
    )
    assert everything.counts["candidate_pairs"] == everything.counts["possible_pairs"]
    assert everything.counts["matches_found"] == everything.counts["true_matches"]
    assert np.all(found.pairs[:, 0] < found.pairs[:, 1])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        # The examples of the National Archives (archives.gov/research/census/soundex).
        ("Washington", "w252"), ("Lee", "l000"), ("Gutierrez", "g362"), ("Pfister", "p236"),
        ("Jackson", "j250"), ("Tymczak", "t522"), ("VanDeusen", "v532"), ("Ashcraft", "a261"),
        # Of Knuth, The Art of Computer Programming 3, section 6.
        ("Robert", "r163"), ("Rupert", "r163"), ("Honeyman", "h555"), ("o'brien", "o165"),
        ("2119", "2119"),
    ],
)  # fmt: skip
def test_soundex_is_the_published_one(name: str, code: str) -> None:
    assert soundex(name) == code
