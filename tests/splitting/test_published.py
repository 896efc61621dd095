"""Published splits: they stand, are completed by cutting, and what crosses them is dealt with."""

from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError

from tests.splitting.test_splitting import PUBLISHED, TENTHS, pairs, published, record
from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.shards import Record
from verdict.splitting.assignment import Division, split_records
from verdict.splitting.balance import balance_warning
from verdict.splitting.files import read_split, write_split
from verdict.splitting.leakage import check_split, describe_split


def test_published_splits_stand_and_validation_is_cut_from_training_by_group() -> None:
    records = [published(i, f"g{i // 4}", "test" if i >= 300 else "train") for i in range(400)]
    division = split_records(records, [], PUBLISHED)
    check_split(records, [], division.assignment)
    counts = Counter(division.assignment.values())
    assert counts["test"] == 100
    assert counts["validation"] == pytest.approx(300 / 9, abs=4)
    for each in records:
        assert (division.assignment[each.id] == "test") == (each.split == "test")
    assert division.left_out == {}
    facts = describe_split(records, [], division, PUBLISHED)
    assert facts["published_splits_divide"] == {"groups": 0, "names": []}
    assert set(facts["crosses_splits"].values()) == {0}


def test_a_missing_test_split_is_cut_from_the_published_validation_by_group() -> None:
    records = [
        published(i, f"g{i // 5}", "validation" if i >= 300 else "train", label=None)
        for i in range(400)
    ]
    halves = PUBLISHED.model_copy(update={"train": 0.7, "validation": 0.15, "test": 0.15})
    division = split_records(records, [], halves)
    check_split(records, [], division.assignment)
    assert Counter(division.assignment.values()) == {"train": 300, "validation": 50, "test": 50}


@pytest.mark.fault("splits")
def test_published_splits_without_any_to_cut_from_are_refused() -> None:
    records = [published(i, f"g{i}", "test") for i in range(40)]
    with pytest.raises(VerdictError, match="have neither validation nor train, from which"):
        split_records(records, [], PUBLISHED)


def test_a_pair_between_what_is_cut_and_what_stays_is_left_out() -> None:
    records = [replace(pair, split="train") for pair in pairs()]
    test = [published(200 + i, f"t{i}", "test", label="match") for i in range(4)]
    options = PUBLISHED.model_copy(update={"train": 0.5, "validation": 0.25, "test": 0.25})
    division = split_records([*records, *test], [], options)
    check_split([*records, *test], [], division.assignment, complete=("train",))
    assert division.left_out
    assert set(division.left_out.values()) == {"links a group of validation and one of train"}
    assert not division.left_out.keys() & division.assignment.keys()


def test_as_many_groups_and_records_of_a_label_as_folds_are_enough() -> None:
    records = [record(i, i, "benign") for i in range(10)]
    assert Counter(split_records(records, [], TENTHS).assignment.values())["test"] == 1
    with pytest.raises(VerdictError, match="9 records in 9 independent groups cannot be split"):
        split_records(records[:9], [], TENTHS)


def test_duplicates_that_are_all_there_is_cross_like_others() -> None:
    records = [published(0, "g0", "train"), published(1, "g1", "test")]
    division = Division({"r0000": "train", "r0001": "test"})
    duplicates = [("r0000", "r0001")]
    with pytest.raises(VerdictError, match="duplicates r0000 and r0001 cross splits"):
        check_split(records, duplicates, division.assignment, complete=())
    facts = describe_split(records, duplicates, division, PUBLISHED)
    assert facts["crosses_splits"]["duplicate_pairs"] == 1


def test_of_identical_images_those_in_the_test_split_are_counted() -> None:
    names = ["train", "test", "test", "validation"]
    records = [
        published(i, f"g{i}", name, sha256="same" if i < 3 else "own")
        for i, name in enumerate(names)
    ]
    division = Division({r.id: name for r, name in zip(records, names, strict=True)})
    facts = describe_split(records, [], division, PUBLISHED)
    assert facts["crosses_splits"]["identical"] == 2


def crossing_records() -> list[Record]:
    """Group g0 in training and in test; g1 in training and, by an equal image, in test."""
    records = [published(i, f"g{i // 4}", "train" if i < 80 else "test") for i in range(120)]
    records[82] = published(82, "g0", "test")
    records[90] = published(90, "g22", "test", sha256="4")
    return records


@pytest.mark.fault("splits")
def test_published_splits_that_divide_a_group_stop_the_work_by_default() -> None:
    with pytest.raises(VerdictError, match=r"divide 2 groups \(g0, g1\)"):
        split_records(crossing_records(), [], PUBLISHED)


def test_what_crosses_can_be_left_out_of_training() -> None:
    records = crossing_records()
    options = PUBLISHED.model_copy(update={"crossing": "leave_out"})
    division = split_records(records, [], options)
    check_split(records, [], division.assignment)
    assert sorted(division.left_out) == [f"r{i:04d}" for i in range(8)]
    assert division.left_out["r0000"] == "of train, but its group g0 is in test"
    assert division.crossing == ["g0", "g1"]
    facts = describe_split(records, [], division, options)
    assert facts["left_out"] == {"records": 8}
    assert facts["published_splits_divide"] == {"groups": 2, "names": ["g0", "g1"]}


def test_what_leaving_out_does_to_the_balance_is_told() -> None:
    """Half of the training groups without a match are in the test split, too."""
    rows = [
        *((f"a{n}", "train", "match") for n in range(32)),
        *((f"b{n}", split, "no_match") for n in range(18) for split in ("train", "test")),
        *((f"c{n}", "test", "match") for n in range(2)),
        *((f"d{n}", "train", "no_match") for n in range(18)),
        *((f"e{n}", "validation", "match") for n in range(2)),
        ("f", "validation", "no_match"),
    ]
    records = [
        published(n, group, split, label=label) for n, (group, split, label) in enumerate(rows)
    ]
    options = PUBLISHED.model_copy(update={"crossing": "leave_out"})
    facts = describe_split(records, [], split_records(records, [], options), options)
    assert facts["published_shares"]["train"] == {"match": 0.470588, "no_match": 0.529412}
    assert facts["train"]["share_match"] == 0.64
    assert balance_warning(facts) == (
        "Leaving out the records that cross the published splits (split.crossing) changed the "
        "balance: match is 64 % of train (published: 47 %), 67 % of validation (published: 67 %), "
        "10 % of test (published: 10 %)"
    )
    kept = PUBLISHED.model_copy(update={"crossing": "keep"})
    facts = describe_split(records, [], split_records(records, [], kept), kept)
    assert "published_shares" not in facts
    assert balance_warning(facts) is None


@pytest.mark.parametrize(
    ("now", "published", "told"),
    [
        # Exactly a twentieth; a little less; a label that is gone altogether.
        ({"share_a": 0.1, "share_b": 0.9}, {"a": 0.05, "b": 0.95}, "a is 10 % of train"),
        ({"share_a": 0.09, "share_b": 0.91}, {"a": 0.05, "b": 0.95}, None),
        ({"share_b": 1.0}, {"a": 0.04, "b": 0.96}, None),
        ({"share_b": 0.5, "share_c": 0.5}, {"a": 0.06, "b": 0.47, "c": 0.47}, "a is 0 % of"),
    ],
)
def test_from_which_change_of_the_balance_on_it_is_told(
    now: dict[str, float], published: dict[str, float], told: str | None
) -> None:
    said = balance_warning({"train": now, "published_shares": {"train": published}})
    assert (told in said) if told and said else said == told


def test_left_out_records_and_their_reasons_are_written(tmp_path) -> None:
    division = Division({"a": "train", "b": "validation", "c": "test"}, {"d": "links, two"})
    write_split(tmp_path / "splits", division)
    assert read_split(tmp_path / "splits") == division.assignment
    left_out = (tmp_path / "splits" / "left_out.csv").read_text()
    assert left_out == 'id,reason\nd,"links, two"\n'


def test_published_splits_can_be_kept_as_they_are() -> None:
    records = crossing_records()
    division = split_records(records, [], PUBLISHED.model_copy(update={"crossing": "keep"}))
    assert division.assignment["r0000"] in ("train", "validation")
    assert division.assignment["r0082"] == "test"
    assert division.crossing == ["g0", "g1"]
    check_split(records, [], division.assignment, may_cross=True)
    with pytest.raises(VerdictError, match="group g0 crosses splits"):
        check_split(records, [], division.assignment)
    options = PUBLISHED.model_copy(update={"crossing": "keep"})
    facts = describe_split(records, [("r0000", "r0119")], division, options)
    # g0 is in training and test; an image of g1 in training is that of r0090 in test.
    assert facts["crosses_splits"]["test_groups"] == 1
    assert facts["crosses_splits"]["identical"] == 1
    assert facts["crosses_splits"]["duplicate_pairs"] == 1


def test_keeping_what_crosses_is_for_published_splits_alone() -> None:
    with pytest.raises(ValidationError, match="keep is for published splits"):
        Split(source="shares", crossing="keep", train=0.8, validation=0.1, test=0.1, seed=42)


def test_a_record_without_a_published_split_is_named() -> None:
    records = [published(0, "g0", "train"), published(1, "g1", None)]
    with pytest.raises(VerdictError, match="r0001 has no published split"):
        split_records(records, [], PUBLISHED)
