"""The published folds, with the real table: choice, balance, labels, and the known flaw."""

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from testing.places import SHARED_DATA
from tests.tasks.breakhis import read
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.params.data import Dicom, Extract, Split
from verdict.records.raw import RawTable
from verdict.records.shards import Record, read_records
from verdict.splitting.assignment import Division, split_records
from verdict.splitting.leakage import check_split
from verdict.tasks.breakhis.archive.layout import FILES, MAGNIFICATIONS, parse_name

REAL = SHARED_DATA / "breakhis"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"needs the real tables in {REAL}")
FLAWED = "14-13412"


def write_zip(folder: Path, table: str | bytes, images: Sequence[Path] = ()) -> Path:
    """Write an archive as Kaggle delivers it; images have their published names."""
    with zipfile.ZipFile(folder / FILES["archive"], "w") as archive:
        archive.writestr("Folds.csv", table)
        for path in images:
            archive.write(path, f"BreaKHis_v1/{parse_name(path.stem).path}")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real table, with the real images that have their published names."""
    images = sorted((REAL / "images" / "samples").glob("*.png"))
    table = (REAL / "Folds.csv").read_bytes()
    return write_zip(tmp_path_factory.mktemp("real"), table, images)


@real_data
def test_the_real_images_and_classes_are_counted(real: Path) -> None:
    table = read(real, magnifications=list(MAGNIFICATIONS))
    assert len(table.rows) == len({row.id for row in table.rows}) == 7909
    assert Counter(row.attributes["malignancy"] for row in table.rows) == {
        "benign": 2480,
        "malignant": 5429,
    }
    assert Counter(row.label for row in table.rows) == {
        "adenosis": 444,
        "fibroadenoma": 1014,
        "phyllodes_tumor": 453,
        "tubular_adenoma": 569,
        "ductal_carcinoma": 3451,
        "lobular_carcinoma": 626,
        "mucinous_carcinoma": 792,
        "papillary_carcinoma": 560,
    }
    # The authors speak of 82 patients; one of their numbers stands in two classes.
    assert len({row.group for row in table.rows}) == 81
    assert table.findings["two_class_slides"] == {FLAWED: ["ductal_carcinoma", "lobular_carcinoma"]}


@real_data
def test_the_published_choice_is_fold_1_at_100_times(real: Path) -> None:
    table = read(real)
    assert Counter(row.split for row in table.rows) == {"train": 1321, "test": 760}
    assert {row.attributes["magnification"] for row in table.rows} == {"100X"}
    first = table.rows[0]
    assert (first.id, first.group) == ("SOB_B_A-14-22549AB-100-001", "14-22549AB")
    assert first.image == first.id
    assert first.attributes["subtype"] == first.label == "adenosis"


def balanced_as_published(folds: pd.DataFrame) -> list[str]:
    """The published notebook, word for word but for the file's stem."""
    folds_100x = folds[(folds["mag"] == 100) & (folds["fold"] == 1)]
    train_df = folds_100x[folds_100x.grp == "train"]
    test_df = folds_100x[folds_100x.grp == "test"]

    def balance(df: pd.DataFrame) -> pd.DataFrame:
        benign = df[df["filename"].str.contains("benign")]
        malignant = df[df["filename"].str.contains("malignant")]
        count = min(len(benign), len(malignant))
        return pd.concat(
            [benign.sample(count, random_state=42), malignant.sample(count, random_state=42)]
        )

    chosen = pd.concat([balance(train_df), balance(test_df)])
    return [Path(name).stem for name in chosen["filename"]]


@real_data
def test_balancing_leaves_the_images_of_the_published_run(real: Path) -> None:
    table = read(real, balance_seed=42)
    published = balanced_as_published(pd.read_csv(REAL / "Folds.csv"))
    assert {row.id for row in table.rows} == set(published)
    assert len(table.rows) == len(published) == 766 + 522
    assert table.findings["chosen"] == 2081
    assert table.findings["left_out"] == {"balancing": 2081 - 1288, "two_class_slides": 0}
    other = read(real, balance_seed=43)
    assert {row.id for row in other.rows} != set(published)


@real_data
def test_the_slide_in_two_classes_is_told_and_dealt_with(real: Path) -> None:
    kept = read(real, balance_seed=42)
    doubtful = [row.id for row in kept.rows if row.group == FLAWED]
    assert len(doubtful) == 31
    table = read(real, balance_seed=42, two_class_slides="leave_out")
    assert [row.id for row in table.rows] == [
        row.id for row in kept.rows if row.id not in set(doubtful)
    ]
    assert table.findings["left_out"]["two_class_slides"] == len(doubtful)
    with pytest.raises(VerdictError, match=r"slide 14-13412 in two classes \(ductal_carcinoma, "):
        read(real, two_class_slides="fail")


@real_data
def test_numbers_that_train_and_test_share_are_told(real: Path) -> None:
    # 14-22549AB is trained on, 14-22549G tested on.
    assert "14-22549" in read(real).findings["numbers_in_train_and_test"]


@real_data
@pytest.mark.parametrize("classes", ["eight", "binary"])
def test_labels_are_subtypes_or_malignancy(real: Path, classes: str) -> None:
    attribute = "subtype" if classes == "eight" else "malignancy"
    for row in read(real, classes=classes).rows:
        assert row.label == row.attributes[attribute]


def records_of(table: RawTable) -> list[Record]:
    return [
        Record(row.id, row.group, row.label, None, None, row.split, row.attributes, row.id, index)
        for index, row in enumerate(table.rows)
    ]


def divided(table: RawTable, crossing: str) -> Division:
    options = Split(
        source="published", crossing=crossing, train=0.8, validation=0.1, test=0.1, seed=42
    )  # fmt: skip
    return split_records(records_of(table), [], options)


@real_data
@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_three_of_five_folds_train_and_test_on_one_slide(real: Path, fold: int) -> None:
    table = read(real, fold=fold)
    if fold in (2, 4):
        assert divided(table, "fail").crossing == []
        return
    with pytest.raises(VerdictError, match=r"divide 1 groups \(14-13412\)"):
        divided(table, "fail")
    division = divided(table, "leave_out")
    assert division.crossing == [FLAWED]
    assert len(division.left_out) == 33  # its images of training
    check = {row.id: row.split for row in table.rows}
    assert {check[name] for name in division.left_out} == {"train"}


@real_data
def test_eight_classes_are_left_to_train_and_test_on(real: Path) -> None:
    table = read(real, balance_seed=42, two_class_slides="leave_out")
    assignment = divided(table, "leave_out").assignment
    held = {(assignment[row.id], row.label) for row in table.rows}
    assert {split for split, label in held if label == "lobular_carcinoma"} >= {"train", "test"}
    for split in ("train", "test"):
        assert len([label for name, label in held if name == split]) == 8


@real_data
def test_the_binary_recipe_divides_the_real_images(real: Path) -> None:
    table = read(real, classes="binary", balance_seed=42)
    division = divided(table, "leave_out")
    check_split(records_of(table), [], division.assignment)
    assert Counter(division.assignment.values())["test"] == 522


@real_data
def test_real_images_become_records(real: Path, tmp_path: Path) -> None:
    table = read(real, magnifications=list(MAGNIFICATIONS))
    present = set(table.images.places()) if table.images else set()
    assert len(present) == 8
    few = RawTable(
        [row for row in table.rows if row.image in present],
        images=table.images,
        every_image=table.every_image,
        findings=table.findings,
    )
    options = Extract(
        size=64, fit="stretch", resample="bilinear", format="webp_lossless", quality=95,
        shard_megabytes=1, max_megapixels=200, max_rejected=0,
 dicom=Dicom(window="file", frame="only"),
    )  # fmt: skip
    counts = extract(few, options, tmp_path / "records")
    assert (counts["records"], counts["groups"], counts["rejected"]) == (8, 8, 0)
    assert counts["two_class_slides"] == {FLAWED: ["ductal_carcinoma", "lobular_carcinoma"]}
    records = read_records(tmp_path / "records")
    assert {record.label for record in records} == {row.label for row in table.rows}
    assert {record.split for record in records} <= {"train", "test"}
    by_id = {record.id: record for record in records}
    assert by_id["SOB_M_LC-14-13412-200-003"].attributes == {
        "magnification": "200X",
        "malignancy": "malignant",
        "subtype": "lobular_carcinoma",
    }
