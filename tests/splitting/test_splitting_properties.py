"""What holds of any split: each record in one, no group in two, whatever the order of the rows."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.splitting.test_splitting import TENTHS
from verdict.core.errors import VerdictError
from verdict.records.shards import Record
from verdict.splitting.assignment import SPLITS, Division, split_records
from verdict.splitting.leakage import check_split, describe_split

Pairs = list[tuple[str, str]]
_OPTIONS = [
    TENTHS.model_copy(update=changes)
    for changes in (
        {},
        {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 7},
        {"crossing": "leave_out"},
        {"source": "published"},
        {"source": "published", "crossing": "leave_out"},
    )
]


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[list[Record], Pairs]:
    """Draw records of any groups, some of two, some with the same image, and known duplicates."""
    groups, labels = draw(st.integers(5, 60)), draw(st.integers(1, 4))
    numbers = range(draw(st.integers(10, 90)))
    linked = draw(st.booleans())

    def record(number: int) -> Record:
        group = draw(st.integers(0, groups))
        other = draw(st.none() | st.integers(0, groups)) if linked else None
        # The text of a pair says which two entities it is about.
        source = draw(st.integers(0, 500)) if other in (None, group) else number + 1000
        return Record(
            f"r{number:03d}", f"g{group}", f"l{draw(st.integers(1, labels))}", None, None,
            draw(st.sampled_from(SPLITS)), {}, f"{source:x}", number,
            None if other is None else f"g{other}",
        )  # fmt: skip

    records = [record(number) for number in numbers]
    name = st.sampled_from([record.id for record in records])
    return records, draw(st.lists(st.tuples(name, name), max_size=3))


def divided(records: Sequence[Record], duplicates: Pairs, options: Any) -> Division | str:
    """Return the division, or what was said instead: anything but a VerdictError fails."""
    try:
        return split_records(records, duplicates, options)
    except VerdictError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(data_sets(), st.sampled_from(_OPTIONS))
def test_each_record_is_in_one_split_and_no_group_in_two(
    drawn: tuple[list[Record], Pairs], options: Any
) -> None:
    records, duplicates = drawn
    division = divided(records, duplicates, options)
    if isinstance(division, str):
        return
    assert division.assignment.keys() | division.left_out.keys() == {r.id for r in records}
    assert not division.assignment.keys() & division.left_out.keys()
    assert set(division.assignment.values()) <= set(SPLITS)
    check_split(records, duplicates, division.assignment, complete=())
    splits: dict[str, set[str]] = {}
    for record in records:
        for group in record.groups if record.id in division.assignment else ():
            splits.setdefault(group, set()).add(division.assignment[record.id])
    assert all(len(found) == 1 for found in splits.values())
    describe_split(records, duplicates, division, options)


@settings(max_examples=100, deadline=None)
@given(data_sets(), st.sampled_from(_OPTIONS), st.randoms(use_true_random=False))
def test_the_order_of_records_and_duplicates_changes_nothing(
    drawn: tuple[list[Record], Pairs], options: Any, rng: Any
) -> None:
    records, duplicates = drawn
    first = divided(records, duplicates, options)
    rng.shuffle(records)
    rng.shuffle(duplicates)
    assert divided(records, [pair[::-1] for pair in duplicates], options) == first
