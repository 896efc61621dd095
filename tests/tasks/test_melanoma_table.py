from collections.abc import Callable
from pathlib import Path

import pytest

from testing.isic import IsicArchive
from verdict.core.errors import VerdictError
from verdict.tasks import check_files, load_task, make_archive, read_raw
from verdict.tasks.melanoma.table import Options, read_table


def test_crlf_empty_cells_and_lesions_are_read(isic: Callable[..., IsicArchive]) -> None:
    archive = isic()
    table = read_table(archive.write(), Options())
    assert b"\r\n" in (archive.folder / "ISIC_2020_Training_GroundTruth.csv").read_bytes()
    assert [row.id for row in table.rows] == list(archive.images)
    assert table.rows[0].label == "melanoma"
    assert "sex" not in table.rows[0].attributes
    assert table.rows[1].attributes["sex"] == "female"
    assert table.duplicates == [("ISIC_0000000", "ISIC_0000001")]


@pytest.mark.fault("tables")
def test_a_missing_column_is_named(isic: Callable[..., IsicArchive]) -> None:
    folder = isic().write()
    path = folder / "ISIC_2020_Training_GroundTruth.csv"
    path.write_text(path.read_text().replace("patient_id", "patient"))
    with pytest.raises(VerdictError, match=r"GroundTruth\.csv lacks the column patient_id; it has"):
        read_table(folder, Options())


@pytest.mark.fault("tables")
def test_a_cell_larger_than_the_limit_is_named(isic: Callable[..., IsicArchive]) -> None:
    folder = isic().write()
    path = folder / "ISIC_2020_Training_GroundTruth.csv"
    with path.open("a") as file:
        file.write('ISIC_9,"' + "x" * 200_000)
    with pytest.raises(
        VerdictError, match=r"GroundTruth\.csv line \d+ cannot be read \(field larg"
    ):
        read_table(folder, Options())


@pytest.mark.fault("tables")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"target": "2"}, r"line 5: target of ISIC_0000003 is '2'; expected 0 \(benign\)"),
        ({"benign_malignant": "unclear"}, r"line 5: ISIC_0000003 has target 0 but .* 'unclear'"),
        ({"patient_id": ""}, r"line 5: ISIC_0000003 has no patient_id"),
        ({"image_name": "ISIC_0000002"}, r"line 5: ISIC_0000002 stands in line 4 already"),
        ({"image_name": ""}, r"line 5: image_name is empty"),
        ({"sex": "male,extra"}, r"line 5 has more or fewer cells"),
    ],
)
def test_a_bad_row_is_named(
    isic: Callable[..., IsicArchive], change: dict[str, str], expected: str
) -> None:
    archive = isic()
    archive.rows[3].update(change)
    with pytest.raises(VerdictError, match=expected):
        read_table(archive.write(), Options())


@pytest.mark.fault("tables")
def test_tables_that_disagree_are_refused(isic: Callable[..., IsicArchive]) -> None:
    folder = isic().write()
    path = folder / "ISIC_2020_Training_GroundTruth_v2.csv"
    path.write_text(path.read_text().replace("IP_0000001", "IP_9999999"))
    with pytest.raises(VerdictError, match="ISIC_0000002: patient_id is 'IP_0000001'"):
        read_table(folder, Options())


@pytest.mark.fault("tables")
def test_a_row_missing_from_version_2_is_named(isic: Callable[..., IsicArchive]) -> None:
    folder = isic().write()
    path = folder / "ISIC_2020_Training_GroundTruth_v2.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(VerdictError, match=r"_v2\.csv has no row for ISIC_0000011"):
        read_table(folder, Options())


@pytest.mark.fault("tables")
def test_a_duplicate_of_an_unknown_image_is_named(isic: Callable[..., IsicArchive]) -> None:
    archive = isic()
    archive.duplicates.append(("ISIC_0000001", "ISIC_8888888"))
    with pytest.raises(VerdictError, match=r"Duplicates\.csv line 3: ISIC_8888888 is not in"):
        read_table(archive.write(), Options())


@pytest.mark.fault("tables")
def test_a_table_without_rows_is_refused_but_no_duplicates_are_fine(
    isic: Callable[..., IsicArchive],
) -> None:
    archive = isic()
    archive.duplicates.clear()
    assert read_table(archive.write(), Options()).duplicates == []
    archive.rows.clear()
    with pytest.raises(VerdictError, match=r"GroundTruth\.csv has no rows"):
        read_table(archive.write(), Options())


@pytest.mark.fault("tables")
def test_a_missing_table_is_named(isic: Callable[..., IsicArchive], tmp_path: Path) -> None:
    folder = isic().write()
    (folder / "ISIC_2020_Training_GroundTruth.csv").unlink()
    with pytest.raises(VerdictError, match=r"GroundTruth\.csv is missing; run `dvc repro fetch`"):
        read_table(folder, Options())


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(VerdictError, match=r"task is 'melanom', but verdict/tasks/ has no folder"):
        load_task("melanom")


def test_files_that_the_task_does_not_know_or_needs_are_named() -> None:
    with pytest.raises(
        VerdictError,
        match=r"fetch\.files has images, other, but the melanoma task needs exactly images, "
        r"ground_truth, ground_truth_v2, duplicates; duplicates, ground_truth_v2 may be left out",
    ):
        check_files("melanoma", ["images", "other"])
    check_files("melanoma", ["images", "ground_truth"])


def test_a_task_that_lacks_a_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("verdict.tasks.melanoma.Options")
    with pytest.raises(VerdictError, match=r"tasks/melanoma/__init__\.py lacks Options"):
        load_task("melanoma")


def test_the_tasks_own_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"fetch\.embedded\.image: unknown key; did you mean"):
        make_archive("melanoma", tmp_path, {"seed": 1, "image": 60, "positive_share": 0.2})
    with pytest.raises(VerdictError, match=r"dataset\.fold: unknown key; this section has no keys"):
        read_raw("melanoma", tmp_path, {"fold": 1})


@pytest.mark.fault("tables")
def test_a_column_that_stands_twice_is_refused(isic: Callable[..., IsicArchive]) -> None:
    folder = isic().write()
    path = folder / "ISIC_2020_Training_GroundTruth.csv"
    path.write_text(path.read_text().replace("sex", " patient_id"))
    with pytest.raises(VerdictError, match=r"GroundTruth\.csv has the column 'patient_id' 2 times"):
        read_raw("melanoma", folder, {})


def test_spaces_around_a_patient_make_no_other_patient(isic: Callable[..., IsicArchive]) -> None:
    archive = isic()
    patient = archive.rows[3]["patient_id"]
    archive.rows[3].update(patient_id=f" {patient}\u00a0")
    assert read_raw("melanoma", archive.write(), {}).rows[3].group == patient


@pytest.mark.fault("tables")
@pytest.mark.parametrize("column", ["image_name", "patient_id"])
@pytest.mark.parametrize("character", ["\u200b", "\x00", "\u2060"])
def test_an_identifier_with_an_invisible_character_is_refused(
    isic: Callable[..., IsicArchive], column: str, character: str
) -> None:
    archive = isic()
    archive.rows[3].update({column: archive.rows[3][column] + character})
    with pytest.raises(VerdictError, match=r"record 'ISIC_0000003.*': its (id|group) is '.*\\"):
        read_raw("melanoma", archive.write(), {})


def test_kaggles_table_alone_is_read(isic: Callable[..., IsicArchive]) -> None:
    archive = isic()
    archive.rows[0].update(age_approx="45.0", anatom_site_general_challenge="")
    archive.rows[1].update(age_approx="")
    folder = archive.write()
    for name in ("GroundTruth_v2", "Duplicates"):
        (folder / f"ISIC_2020_Training_{name}.csv").unlink()
    table = read_raw("melanoma", folder, {})
    assert table.duplicates == []
    assert table.rows[0].attributes == {"age": "45", "diagnosis": "melanoma"}
    assert "age" not in table.rows[1].attributes
