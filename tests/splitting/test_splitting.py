import re
from collections import Counter
from typing import Any

import pytest

from testing.places import SHARED_DATA
from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.shards import Record
from verdict.splitting.assignment import split_records
from verdict.splitting.files import read_split, write_split
from verdict.splitting.leakage import check_split, describe_split
from verdict.tasks.melanoma.table import Options, read_table

TENTHS = Split(source="shares", crossing="fail", train=0.8, validation=0.1, test=0.1, seed=42)
PUBLISHED = TENTHS.model_copy(update={"source": "published"})


def record(number: int, group: int, label: str, sha256: str | None = None) -> Record:
    return Record(
        f"r{number:04d}", f"g{group}", label, None, None, None, {}, sha256 or f"{number:x}", number
    )


def some_records(count: int = 400) -> list[Record]:
    return [record(i, i // 4, "melanoma" if i % 10 == 0 else "benign") for i in range(count)]


def test_groups_duplicates_and_identical_images_stay_together() -> None:
    records = some_records()
    # A twin in another group, and a listed duplicate in a third: all must end in one split.
    records[200] = record(200, 50, "benign", sha256="same")
    records[300] = record(300, 75, "melanoma", sha256="same")
    duplicates = [("r0300", "r0399")]
    assignment = split_records(records, duplicates, TENTHS).assignment
    assert len({assignment[name] for name in ("r0200", "r0300", "r0399")}) == 1
    for start in range(0, 400, 4):
        assert len({assignment[f"r{i:04d}"] for i in range(start, start + 4)}) == 1


def test_shares_and_labels_are_kept() -> None:
    assignment = split_records(some_records(2000), [], TENTHS).assignment
    sizes = Counter(assignment.values())
    assert sizes["train"] == pytest.approx(1600, abs=20)
    assert sizes["test"] == pytest.approx(200, abs=10)


def test_the_seed_decides_the_split() -> None:
    records = some_records()
    first = split_records(records, [], TENTHS)
    assert split_records(some_records(), [], TENTHS) == first
    assert split_records(records, [], TENTHS.model_copy(update={"seed": 43})) != first


@pytest.mark.fault("splits")
def test_the_gate_names_a_crossing_group() -> None:
    records = some_records(8)
    assignment = {r.id: "train" for r in records} | {"r0001": "test"}
    with pytest.raises(VerdictError, match=r"group g0 crosses splits: r0000 .* r0001"):
        check_split(records, [], assignment)


@pytest.mark.fault("splits")
def test_the_gate_names_crossing_duplicates_and_identical_images() -> None:
    records = [record(i, i, "benign") for i in range(3)]
    assignment = {"r0000": "train", "r0001": "validation", "r0002": "test"}
    with pytest.raises(VerdictError, match="duplicates r0000 and r0002 cross splits"):
        check_split(records, [("r0000", "r0002")], assignment)
    twins = [*records[:2], record(2, 2, "benign", sha256="0")]
    with pytest.raises(VerdictError, match="identical image 0 crosses splits: r0000"):
        check_split(twins, [], assignment)


@pytest.mark.fault("splits")
def test_a_split_without_a_label_is_refused() -> None:
    records = [record(i, i, "melanoma" if i == 0 else "benign") for i in range(100)]
    division = split_records(records, [], TENTHS)
    with pytest.raises(VerdictError, match=r"has no record with label melanoma \(1 in all\)"):
        check_split(records, [], division.assignment)


@pytest.mark.fault("splits")
def test_too_few_groups_are_refused() -> None:
    records = [record(i, i % 3, "benign") for i in range(30)]
    with pytest.raises(VerdictError, match=r"30 records in 3 .* larger shares of val"):
        split_records(records, [], TENTHS)


def test_labels_that_are_all_too_rare_are_refused() -> None:
    records = [record(i, i, f"l{i // 9}") for i in range(36)]
    with pytest.raises(VerdictError, match="a record for each of 10 folds: the commonest, l0, has"):
        split_records(records, [], TENTHS)


@pytest.mark.filterwarnings("error")
def test_a_label_of_three_records_is_split_or_named() -> None:
    records = [record(i, i, "rare" if i < 3 else "common") for i in range(100)]
    divisions = [
        (options, split_records(records, [], options))
        for options in (TENTHS.model_copy(update={"seed": seed}) for seed in range(40))
    ]
    complete = 0
    for options, division in divisions:
        splits = {division.assignment[f"r{i:04d}"] for i in range(3)}
        if len(splits) < 3:
            with pytest.raises(VerdictError, match=r" split has no record with label rare \(3 in "):
                check_split(records, [], division.assignment)
            continue
        complete += 1
        check_split(records, [], division.assignment)
        facts = describe_split(records, [], division, options)
        assert facts["test"]["label_rare"] == 1
        assert facts["image_level_split_would_leak"]["test_groups"] == 10
    assert 0 < complete < 40


def test_shares_that_are_no_twentieths_are_refused() -> None:
    options = TENTHS.model_copy(update={"train": 0.87, "test": 0.03})
    with pytest.raises(VerdictError, match="use twentieths"):
        split_records(some_records(), [], options)


def test_splits_survive_writing(tmp_path) -> None:
    division = split_records(some_records(), [], TENTHS)
    write_split(tmp_path / "splits", division)
    assert read_split(tmp_path / "splits") == division.assignment
    assert not (tmp_path / "splits" / "left_out.csv").exists()


@pytest.mark.fault("splits")
def test_an_id_in_two_splits_is_refused(tmp_path) -> None:
    write_split(tmp_path / "splits", split_records(some_records(), [], TENTHS))
    twice = (tmp_path / "splits/test.csv").read_text().splitlines()[1]
    with (tmp_path / "splits/train.csv").open("a") as file:
        file.write(f"{twice}\n")
    with pytest.raises(VerdictError, match=rf"{twice} stands in train\.csv too"):
        read_split(tmp_path / "splits")


@pytest.fixture(scope="module")
def real_isic() -> tuple[list[Record], list[tuple[str, str]]]:
    folder = SHARED_DATA / "isic2020"
    if not folder.exists():
        pytest.skip("the real SIIM-ISIC 2020 tables are not at hand")
    table = read_table(folder, Options())
    records = [
        Record(row.id, row.group, row.label, None, None, None, row.attributes, None, position)
        for position, row in enumerate(table.rows)
    ]
    return sorted(records, key=lambda item: item.id), table.duplicates


def test_the_real_tables_split_by_patient(real_isic) -> None:
    records, duplicates = real_isic
    assert len(records) == 33_126
    assert sum(r.label == "melanoma" for r in records) == 584
    assert len({r.group for r in records}) == 2_056
    assert len(duplicates) == 425
    division = split_records(records, duplicates, TENTHS)
    assignment = division.assignment
    check_split(records, duplicates, assignment)
    facts = describe_split(records, duplicates, division, TENTHS)
    groups = {
        split: {r.group for r in records if assignment[r.id] == split}
        for split in ("train", "validation", "test")
    }
    assert sum(len(members) for members in groups.values()) == 2_056
    assert all(assignment[a] == assignment[b] for a, b in duplicates)
    shares = [facts[split]["share_melanoma"] for split in groups]
    assert max(shares) - min(shares) < 0.0015
    assert facts["image_level_split_would_leak"] == {
        "test_groups": 1_355,
        "test_groups_also_in_training": 1_352,
        "duplicate_pairs": 425,
        "duplicate_pairs_across_splits": 141,
    }


def published(number: int, group: str, split: str | None, **changes: Any) -> Record:
    known = {"label": "benign" if number % 2 else "malignant", "sha256": f"{number:x}", **changes}
    return Record(
        id=f"r{number:04d}", group=group, text=None, answer=None, split=split, attributes={},
        row=number, **known,
    )  # fmt: skip


def pairs() -> list[Record]:
    """Sixty entities in two entries each; every entry is also paired with the next entity's."""
    matches = [published(i, f"e{i}", None, label="match", other_group=f"e{i}") for i in range(60)]
    others = [
        published(60 + i, f"e{i}", None, label="no_match", other_group=f"e{(i + 1) % 60}")
        for i in range(60)
    ]
    return matches + others


def test_pairs_that_link_everything_cannot_be_split_whole() -> None:
    with pytest.raises(VerdictError, match="120 records in 1 independent groups"):
        split_records(pairs(), [], TENTHS)


def test_pairs_are_split_by_entity_and_those_between_splits_left_out() -> None:
    records = pairs()
    options = TENTHS.model_copy(update={"crossing": "leave_out", "train": 0.5})
    options = options.model_copy(update={"validation": 0.25, "test": 0.25})
    division = split_records(records, [], options)
    check_split(records, [], division.assignment)
    entities: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for record in records:
        if record.id in division.assignment:
            entities[division.assignment[record.id]] |= {record.group, str(record.other_group)}
    assert sum(len(names) for names in entities.values()) == 60
    assert all(record.label == "no_match" for record in records if record.id in division.left_out)
    assert 10 < len(division.left_out) < 50
    reason = division.left_out[sorted(division.left_out)[0]]
    names = re.fullmatch("links a group of ([a-z]+) and one of ([a-z]+)", reason)
    assert names
    assert names[1] != names[2]


def test_both_groups_of_a_pair_are_counted() -> None:
    records = [
        published(0, "e0", "train", label="no_match", other_group="e1"),
        published(1, "e0", "train", label="match"),
        published(2, "e2", "validation", label="match"),
        published(3, "e3", "test", label="no_match", other_group="e4"),
    ]
    facts = describe_split(records, [], split_records(records, [], PUBLISHED), PUBLISHED)
    assert [facts[name]["groups"] for name in ("train", "validation", "test")] == [2, 1, 2]


@pytest.mark.fault("splits")
def test_of_a_pair_the_group_that_crosses_is_named() -> None:
    records = [
        published(0, "e0", "train", label="match"),
        published(1, "e0", "train", label="no_match", other_group="e1"),
        published(2, "e1", "test", label="match"),
        published(3, "e2", "validation", label="match"),
    ]
    options = PUBLISHED.model_copy(update={"crossing": "leave_out"})
    division = split_records(records, [], options)
    assert division.left_out == {"r0001": "of train, but its group e1 is in test"}
    assert division.crossing == ["e1"]


def test_only_splits_that_must_be_complete_need_every_label() -> None:
    records = [record(i, i, "rare" if i < 2 else "common") for i in range(6)]
    names = ["train", "test", "train", "test", "validation", "validation"]
    assignment = {r.id: name for r, name in zip(records, names, strict=True)}
    check_split(records, [], assignment, complete=("train", "test"))
    with pytest.raises(VerdictError, match="the validation split has no record with label rare"):
        check_split(records, [], assignment)
