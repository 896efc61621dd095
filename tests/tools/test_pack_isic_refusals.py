"""What pack_isic refuses: by its row, by its file, and by what a label cannot mean."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.extraction.test_images import tiff_with_a_second_page_of_nothing
from tests.tools.lesions import COLUMNS, HEADER, ROWS, encoded
from tools.pack_isic import Columns, Packed, main, pack
from verdict.core.errors import VerdictError


def test_a_path_that_no_file_can_have(run: Callable[..., Packed]) -> None:
    table = f"name,patient,melanoma,path\nx,P1,benign,{'a' * 300}\ny,P1,Melanoma,c.jpg\n"
    with pytest.raises(VerdictError, match=r"line 2: there is no image a* in .*images"):
        run(table, Columns(id="name", label="melanoma", group="patient", file="path"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("a,P2,L2,0", "a,P2,L2,2", r"line 3: melanoma of a is '2'; expected 0 or 1"),
        ("a,P2,L2,0", "a,P2,L2,", r"line 3: melanoma of a is ''"),
        ("a,P2,L2,0", "a,,L2,0", r"line 3: patient of a is empty"),
        ("a,P2,L2,0", "b,P2,L2,0", r"line 3: b stands in line 2 already"),
        ("a,P2,L2,0", "B,P2,L2,0", r"line 3: B stands in line 2 already"),
        ("a,P2,L2,0", "d,P2,L2,0", r"line 3: there is no image d\.\*"),
        ("a,P2,L2,0", "../a,P2,L2,0", r"line 3: the id '\.\./a'"),
        ("a,P2,L2,0", ",P2,L2,0", r"line 3: the id ''"),
        ("a,P2,L2,0", "a,P2,L2,0,0", r"line 3 has more or fewer cells"),
        ("75.0", "old", r"line 2: the age is 'old'"),
        ("75.0", "-1", r"line 2: the age is '-1'"),
        ("name,", "image,", r"no column 'name' \(--id\); it has image, patient"),
        ("lesion,", "x,", r"no column 'lesion' \(--lesion\)"),
        (ROWS, "", r"has no rows"),
        ("a,P2,L2,0", "a" * 300 + ",P2,L2,0", r"line 3: the id 'a*' cannot name a file"),
        ("75.0", "\x00", r"is no CSV file in UTF-8|the age is"),
    ],
)
def test_table_errors_name_the_row(
    run: Callable[..., Packed], tmp_path: Path, before: str, after: str, said: str
) -> None:
    table = HEADER + ROWS
    assert before in table
    with pytest.raises(VerdictError, match=said) as caught:
        run(table.replace(before, after, 1))
    assert "labels.csv" in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no image"),
        (b"not an image", "no image"),
        (encoded(0)[:-400], "no image that can be read: .*truncated"),
        (encoded(0, "PNG")[:-400], "no image that can be read"),
        # Pillow raises TypeError for it.
        (tiff_with_a_second_page_of_nothing(), "no image that can be read: Missing dimensions"),
        (encoded(0, "TIFF", "I"), "mode I"),
        (encoded(0, "TIFF", "F"), "mode F"),
        (
            encoded(0, "GIF", "P", save_all=True, append_images=[Image.new("P", (72, 48))]),
            "several images",
        ),
    ],
)
def test_image_errors_name_the_file(
    run: Callable[..., Packed], tmp_path: Path, images: Path, content: bytes, said: str
) -> None:
    (images / "b.JPEG").write_bytes(content)
    with pytest.raises(VerdictError, match=rf"b\.JPEG .*{said}"):
        run()
    assert not list((tmp_path / "out").glob("*")), "half a result must not stay"


def test_two_images_of_one_id(run: Callable[..., Packed], images: Path) -> None:
    (images / "a.png").write_bytes(encoded(1, "PNG"))
    (images / "b.json").write_text("{}")  # beside the image, but none
    with pytest.raises(VerdictError, match=r"line 3: a has several images, a\.jpg and a\.png"):
        run()


def test_table_in_another_encoding(run: Callable[..., Packed], tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(HEADER.encode() + "a,P2,L2,0,male,1,ear,nävus\n".encode("latin-1"))
    with pytest.raises(VerdictError, match=r"latin\.csv is no CSV file in UTF-8"):
        pack(tmp_path / "images", path, COLUMNS, tmp_path / "out")


def test_missing_inputs(run: Callable[..., Packed], tmp_path: Path, images: Path) -> None:
    with pytest.raises(VerdictError, match=r"absent\.csv cannot be read: No such file"):
        pack(images, tmp_path / "absent.csv", COLUMNS, tmp_path / "out")
    with pytest.raises(VerdictError, match="absent is not a folder"):
        pack(tmp_path / "absent", tmp_path / "absent.csv", COLUMNS, tmp_path / "out")


def test_a_file_of_the_same_name_in_another_folder_is_not_taken(
    run: Callable[..., Packed], images: Path
) -> None:
    table = "name,patient,melanoma,path\nx,P1,0,images/b.JPEG\ny,P1,1,elsewhere/b.JPEG\n"
    with pytest.raises(VerdictError, match=r"line 3: there is no image elsewhere/b\.JPEG in "):
        run(table, Columns(id="name", label="melanoma", group="patient", file="path"))


def test_a_column_that_stands_twice_is_refused(run: Callable[..., Packed]) -> None:
    with pytest.raises(VerdictError, match=r"labels\.csv has the column 'patient' 2 times"):
        run((HEADER + ROWS).replace("lesion,", " patient ,", 1))


@pytest.mark.parametrize(
    ("label", "diagnosis", "said"),
    [
        ("benign", "basal cell carcinoma", "is 'benign', but its diagnosis 'basal cell carcinoma'"),
        ("0", "melanoma", "is '0', but its diagnosis 'melanoma'"),
        ("1", "naevus", "is '1', but its diagnosis 'naevus'"),
        ("melanoma", "bcc", "is 'melanoma', but its diagnosis 'bcc'"),
        ("malignant", "", "is 'malignant', and nothing says that it is a melanoma"),
        ("malignant", "bcc", "is 'malignant', but its diagnosis 'bcc'"),
    ],
)
def test_a_label_that_the_diagnosis_contradicts_is_refused(
    run: Callable[..., Packed], label: str, diagnosis: str, said: str
) -> None:
    with pytest.raises(VerdictError, match=rf"line 4: melanoma of c {said}"):
        run((HEADER + ROWS).replace("L3,0,male,5.5,ear,nv", f"L3,{label},male,5.5,ear,{diagnosis}"))


def test_without_a_table_the_way_is_told(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--images", str(images), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert "--table, --id, --label, --group must be given" in said
    assert "python -m tools.new_task NAME --images DIR --out DIR" in said
