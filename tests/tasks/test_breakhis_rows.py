"""Small tables of folds: where they may lie, and which rows, archives and choices are refused."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.breakhis import read
from verdict.core.errors import VerdictError
from verdict.tasks.breakhis.archive.layout import FILES, ImageName

ROWS = [
    "100,1,train," + ImageName("A", "14-1111AB", 100, 1).path,
    "100,1,train," + ImageName("DC", "14-2222", 100, 1).path,
    "100,1,test," + ImageName("F", "14-3333", 100, 1).path,
    "100,1,test," + ImageName("MC", "15-4444", 100, 1).path,
]


def small(folder: Path, *rows: str, name: str = "Folds.csv") -> Path:
    lines = ["mag,fold,grp,filename", *ROWS, *rows]
    with zipfile.ZipFile(folder / FILES["archive"], "w") as archive:
        archive.writestr(name, "\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("name", ["Folds.csv", "BreaKHis_v1/Folds.csv"])
def test_the_table_is_found_wherever_it_lies(tmp_path: Path, name: str) -> None:
    assert len(read(small(tmp_path, name=name)).rows) == 4


PATH = ImageName("LC", "14-5555", 100, 2).path


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (f"100,1,validation,{PATH}", "grp is 'validation'; expected train or test"),
        (f"100,6,train,{PATH}", "fold is '6'; expected 1 to 5"),
        (f"400,1,train,{PATH}", "mag is '400', but SOB_M_LC-14-5555-100-002 was taken at 100"),
        (ROWS[1], "fold 1 has SOB_M_DC-14-2222-100-001 in line 3 already"),
        (ROWS[1].replace("train", "test"), "fold 1 has SOB_M_DC-14-2222-100-001 in line 3 already"),
        (f"100,1,train,{PATH.replace('lobular', 'ductal')}", "its folders say malignant, ductal_"),
        (f"100,1,train,{PATH.replace('malignant', 'benign')}", "its folders say benign, lobular_c"),
        ("100,1,train,SOB_M_LC-14-5555-100-002.png", "but its folders say neither"),
        ("100,1,train,image.png", "'image' is no published name; expected one like SOB_M_DC-14"),
        (f"100,1,train,{PATH}".replace("SOB_M_LC-", "SOB_B_LC-"), "begins with SOB_B, but LC is"),
        (f"100,1,train,{PATH}".replace("LC-", "XC-"), "has the subtype XC; expected one of A, F"),
        (f"100,1,train,{PATH}".replace("-100-", "-50-"), "has the magnification 50; expected"),
        ("100,1,train", "has more or fewer cells than the header's 4"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, expected: str) -> None:
    with pytest.raises(VerdictError, match=r"Folds\.csv line 6") as caught:
        read(small(tmp_path, row))
    assert expected in str(caught.value)


def test_an_image_may_be_trained_on_in_one_fold_and_tested_on_in_another(tmp_path: Path) -> None:
    again = ROWS[0].replace("100,1,train", "100,2,test")
    assert len(read(small(tmp_path, again)).rows) == 4


def test_a_choice_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"no row of fold 1 at 400X; change dataset\.fold"):
        read(small(tmp_path), magnifications=[100, 400])


def test_what_cannot_be_balanced_is_refused(tmp_path: Path) -> None:
    row = f"400,1,train,{ImageName('LC', '14-5555', 400, 1).path}"
    with pytest.raises(VerdictError, match=r"train 0 benign and 1 malignant images .* to null"):
        read(small(tmp_path, row), magnifications=[400], balance_seed=42)


@pytest.mark.fault("tables")
def test_an_archive_without_the_table_or_with_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"breakhis\.zip is missing; run `dvc repro fetch`"):
        read(tmp_path)
    path = tmp_path / FILES["archive"]
    path.write_bytes(b"no archive")
    with pytest.raises(VerdictError, match=r"is not a complete ZIP archive"):
        read(tmp_path)
    for names, count in (([], "no"), (["Folds.csv", "old/Folds.csv"], "2")):
        with zipfile.ZipFile(path, "w") as archive:
            for name in (*names, "readme.txt"):
                archive.writestr(name, "")
        with pytest.raises(VerdictError, match=rf"has {count} members called Folds\.csv"):
            read(tmp_path)


@pytest.mark.fault("tables")
def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path) / FILES["archive"]
    path.write_bytes(path.read_bytes().replace(b"14-2222", b"14-9999", 1))
    with pytest.raises(VerdictError, match=r"Folds\.csv is damaged \(Bad CRC-32"):
        read(tmp_path)


@pytest.mark.fault("tables")
@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_table_that_does_not_unpack_is_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / FILES["archive"]
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("Folds.csv", "mag,fold,grp,filename\n" * 100)
    content = bytearray(path.read_bytes())
    begin = 30 + len("Folds.csv")  # after the local header (APPNOTE 4.3.7)
    content[begin + 12 : begin + 32] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(VerdictError, match=r"Folds\.csv is damaged \("):
        read(tmp_path)


@pytest.mark.fault("tables")
def test_a_table_that_lies_outside_the_archive_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path) / FILES["archive"]
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x05\x06") + 16  # where the directory begins (APPNOTE 4.3.16)
    content[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(VerdictError, match=r"breakhis\.zip"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fold": 6}, r"dataset\.fold"),
        ({"magnifications": []}, r"dataset\.magnifications"),
        ({"magnifications": [100, 100]}, r"names a magnification twice"),
        ({"magnifications": [50]}, r"dataset\.magnifications"),
        ({"classes": "two"}, r"dataset\.classes"),
    ],
)
def test_impossible_choices_are_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(VerdictError, match=expected):
        read(tmp_path, **changes)
