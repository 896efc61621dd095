from collections import Counter

import pytest

from tests.conftest import SHARED_DATA
from verdict.errors import VerdictError
from verdict.params import Split
from verdict.records.shards import Record
from verdict.records.splitting import (
    check_split,
    describe_split,
    read_split,
    split_records,
    write_split,
)
from verdict.tasks.melanoma.table import read_table

TENTHS = Split(train=0.8, validation=0.1, test=0.1, seed=42)


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
    assignment = split_records(records, duplicates, TENTHS)
    assert len({assignment[name] for name in ("r0200", "r0300", "r0399")}) == 1
    for start in range(0, 400, 4):
        assert len({assignment[f"r{i:04d}"] for i in range(start, start + 4)}) == 1


def test_shares_and_labels_are_kept() -> None:
    assignment = split_records(some_records(2000), [], TENTHS)
    sizes = Counter(assignment.values())
    assert sizes["train"] == pytest.approx(1600, abs=20)
    assert sizes["test"] == pytest.approx(200, abs=10)


def test_the_seed_decides_the_split() -> None:
    records = some_records()
    first = split_records(records, [], TENTHS)
    assert split_records(some_records(), [], TENTHS) == first
    assert split_records(records, [], TENTHS.model_copy(update={"seed": 43})) != first


def test_the_gate_names_a_crossing_group() -> None:
    records = some_records(8)
    assignment = {r.id: "train" for r in records} | {"r0001": "test"}
    with pytest.raises(VerdictError, match=r"group g0 crosses splits: r0000 .* r0001"):
        check_split(records, [], assignment)


def test_the_gate_names_crossing_duplicates_and_identical_images() -> None:
    records = [record(i, i, "benign") for i in range(3)]
    assignment = {"r0000": "train", "r0001": "validation", "r0002": "test"}
    with pytest.raises(VerdictError, match="duplicates r0000 and r0002 cross splits"):
        check_split(records, [("r0000", "r0002")], assignment)
    twins = [*records[:2], record(2, 2, "benign", sha256="0")]
    with pytest.raises(VerdictError, match="identical image 0 crosses splits: r0000"):
        check_split(twins, [], assignment)


def test_a_split_without_a_label_is_refused() -> None:
    records = [record(i, i, "melanoma" if i == 0 else "benign") for i in range(100)]
    with pytest.raises(VerdictError, match="has no record with label melanoma"):
        split_records(records, [], TENTHS)


def test_too_few_groups_are_refused() -> None:
    records = [record(i, i % 3, "benign") for i in range(30)]
    with pytest.raises(VerdictError, match="30 records in 3 independent groups"):
        split_records(records, [], TENTHS)


def test_shares_that_are_no_twentieths_are_refused() -> None:
    options = Split(train=0.87, validation=0.10, test=0.03, seed=1)
    with pytest.raises(VerdictError, match="use twentieths"):
        split_records(some_records(), [], options)


def test_splits_survive_writing(tmp_path) -> None:
    assignment = split_records(some_records(), [], TENTHS)
    write_split(tmp_path / "splits", assignment)
    assert read_split(tmp_path / "splits") == assignment


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
    table = read_table(folder)
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
    assignment = split_records(records, duplicates, TENTHS)
    facts = describe_split(records, duplicates, assignment, TENTHS)
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
