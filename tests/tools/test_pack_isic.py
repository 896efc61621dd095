import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from testing.places import ROOT, SHARED_DATA
from tests.extraction.test_images import tiff_with_a_second_page_of_nothing
from tests.tools.test_rendering import undocumented
from tools.pack_isic import Columns, Packed, main, pack
from tools.recipe import validate_recipe
from tools.rendering import render
from verdict.core.errors import VerdictError
from verdict.records.archive import ZipImages
from verdict.tasks import read_raw
from verdict.tasks.melanoma.archive.layout import FILES

COLUMNS = Columns(
    id="name",
    label="melanoma",
    group="patient",
    sex="sex",
    age="age",
    site="site",
    diagnosis="dx",
    lesion="lesion",
)
HEADER = "name,patient,lesion,melanoma,sex,age,site,dx\n"
ROWS = "b,P1,L1,1,female,75.0,back,mel\na,P2,L2,0,unknown,,unknown,\nc,P1,L3,0,male,5.5,ear,nv\n"


def encoded(seed: int, format_: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    pixels = np.kron(pixels, np.ones((8, 8, 1), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate(("a.jpg", "b.JPEG", "c.jpg")):
        (folder / name).write_bytes(encoded(seed))
    return folder


@pytest.fixture
def run(tmp_path: Path, images: Path) -> Callable[..., Packed]:
    """Pack ``images`` with the given table into ``tmp_path/out``."""

    def run(table: str = HEADER + ROWS, columns: Columns = COLUMNS) -> Packed:
        path = tmp_path / "labels.csv"
        path.write_text(table, encoding="utf-8")
        return pack(images, path, columns, tmp_path / "out")

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def member(out: Path, name: str) -> bytes:
    with zipfile.ZipFile(out / FILES["images"]) as archive:
        return archive.read(f"train/{name}.jpg")


def test_layout(run: Callable[..., Packed], tmp_path: Path, images: Path) -> None:
    assert run() == Packed(images=3, positive=1, groups=2, duplicates=0, not_melanoma=True)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES.values())
    assert (out / FILES["ground_truth"]).read_bytes() == (
        b"image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,"
        b"benign_malignant,target\r\n"
        b"a,P2,,,,unknown,not melanoma,0\r\n"
        b"b,P1,female,75,back,mel,malignant,1\r\n"
        b"c,P1,male,5.5,ear,nv,not melanoma,0\r\n"
    )
    second = rows_of(out / FILES["ground_truth_v2"])
    assert list(second[0])[:3] == ["image_name", "patient_id", "lesion_id"]
    assert [row.pop("lesion_id") for row in second] == ["L2", "L1", "L3"]
    assert second == rows_of(out / FILES["ground_truth"])
    assert (out / FILES["duplicates"]).read_bytes() == b"image_name_1,image_name_2\r\n"
    with zipfile.ZipFile(out / FILES["images"]) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == ["train/a.jpg", "train/b.jpg", "train/c.jpg"]
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert ZipImages(out / FILES["images"]).places().keys() == {"a", "b", "c"}
    assert member(out, "b") == (images / "b.JPEG").read_bytes()


def test_same_input_same_bytes(run: Callable[..., Packed], tmp_path: Path, images: Path) -> None:
    run()
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    lines = ROWS.splitlines(keepends=True)
    for path in images.iterdir():
        path.touch()
    run("\ufeff" + HEADER + "".join(reversed(lines)))
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("format_", "suffix", "mode"),
    [
        ("PNG", ".png", "RGB"),
        ("PNG", ".png", "L"),
        ("PNG", ".png", "1"),
        ("PNG", ".png", "P"),
        ("TIFF", ".TIF", "CMYK"),
        ("BMP", ".bmp", "RGB"),
        ("WEBP", ".webp", "RGB"),
        ("PNG", ".jpg", "RGB"),  # the content counts, not the name
    ],
)
def test_other_formats_are_converted(
    run: Callable[..., Packed], tmp_path: Path, images: Path, format_: str, suffix: str, mode: str
) -> None:
    (images / "a.jpg").unlink()
    (images / f"a{suffix}").write_bytes(encoded(0, format_, mode))
    run()
    packed = Image.open(io.BytesIO(member(tmp_path / "out", "a")))
    assert (packed.format, packed.mode, packed.size) == ("JPEG", "RGB", (72, 48))
    assert packed.layer == [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]  # type: ignore[attr-defined]
    wanted = Image.open(images / f"a{suffix}").convert("RGB")
    assert np.abs(np.asarray(packed, float) - np.asarray(wanted, float)).mean() < 6


def test_orientation_is_applied_where_an_image_is_converted(
    run: Callable[..., Packed], tmp_path: Path, images: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    for name, format_ in (("a.jpg", "PNG"), ("b.JPEG", "JPEG")):
        (images / name).write_bytes(encoded(0, format_, exif=exif))
    run()
    turned = Image.open(io.BytesIO(member(tmp_path / "out", "a")))
    assert turned.size == (48, 72)
    assert 0x0112 not in turned.getexif()
    upright = Image.open(io.BytesIO(encoded(0, "PNG"))).rotate(-90, expand=True)
    assert np.abs(np.asarray(turned, float) - np.asarray(upright, float)).mean() < 6
    assert member(tmp_path / "out", "b") == (images / "b.JPEG").read_bytes()


def test_a_path_that_no_file_can_have(run: Callable[..., Packed]) -> None:
    table = f"name,patient,melanoma,path\nx,P1,benign,{'a' * 300}\ny,P1,Melanoma,c.jpg\n"
    with pytest.raises(VerdictError, match=r"line 2: there is no image a* in .*images"):
        run(table, Columns(id="name", label="melanoma", group="patient", file="path"))


def test_transparency_is_laid_on_black(
    run: Callable[..., Packed], tmp_path: Path, images: Path
) -> None:
    Image.new("RGBA", (16, 16), (255, 255, 255, 0)).save(images / "a.jpg", "PNG")
    run()
    packed = Image.open(io.BytesIO(member(tmp_path / "out", "a")))
    assert packed.getextrema() == ((0, 0), (0, 0), (0, 0))


def test_identical_images_are_listed(
    run: Callable[..., Packed], tmp_path: Path, images: Path
) -> None:
    for name in ("b.JPEG", "c.jpg"):
        (images / name).write_bytes((images / "a.jpg").read_bytes())
    assert run().duplicates == 2
    assert (tmp_path / "out" / FILES["duplicates"]).read_bytes() == (
        b"image_name_1,image_name_2\r\na,b\r\na,c\r\n"
    )


@pytest.mark.parametrize("cell", ["deep/b.png", "images/b.JPEG", "/else/where/images/b.JPEG"])
def test_file_column(run: Callable[..., Packed], tmp_path: Path, images: Path, cell: str) -> None:
    (images / "deep").mkdir()
    (images / "deep" / "b.png").write_bytes(encoded(7))
    table = f"name,patient,melanoma,path\nx,P1,benign,{cell}\ny,P1,Melanoma,c.jpg\n"
    packed = run(table, Columns(id="name", label="melanoma", group="patient", file="path"))
    assert (packed.images, packed.positive) == (2, 1)
    name = images / cell if "deep" in cell else images / "b.JPEG"
    assert member(tmp_path / "out", "x") == name.read_bytes()


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


def test_command_line(
    labelled: Path, tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "labels.csv", tmp_path / "my lesions"
    table.write_text(HEADER + ROWS)
    arguments = ["--images", str(images), "--table", str(table), "--out", str(out)]
    arguments += ["--id", "name", "--label", "melanoma", "--group"]
    main([*arguments, "patient", "--sex", "sex", "--site", "site"])
    printed = capsys.readouterr().out
    assert "3 images, 1 positive (33.3%), 2 groups, 0 byte-identical pairs" in printed
    assert "`make repro recipe=mine/my-lesions` runs" in printed
    assert "overwritten" not in printed
    params = validate_recipe(recipe := Path("recipes/mine/my-lesions.yaml"))
    assert {key: file.address for key, file in params.fetch.files.items()} == {
        key: str(out / name) for key, name in FILES.items()
    }
    assert (params.fetch.source, params.fetch.local) == ("files", str(out))
    assert params.compare.subgroups == ["sex", "site"]
    assert params.format.answers is not None
    assert list(params.format.answers) == ["not_melanoma", "melanoma"]
    assert undocumented(render(recipe), Path("params.yaml")) == []
    assert len(recipe.read_text("utf-8").splitlines()) < 90

    recipe.write_text("edited")
    main([*arguments, "patient"])
    printed = capsys.readouterr().out
    assert f"was overwritten: {', '.join(FILES.values())}." in printed
    assert f"{recipe} is there already and stays as it is" in printed
    assert recipe.read_text() == "edited"
    command = [sys.executable, "-m", "tools.pack_isic", *arguments, "absent"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "no column 'absent' (--group)" in ended.stderr
    assert "Traceback" not in ended.stderr


REAL = SHARED_DATA / "ham10000_224"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"needs {REAL.name}")
def test_real_images(tmp_path: Path) -> None:
    columns = Columns(
        id="image_id",
        label="melanoma",
        group="lesion_id",
        file="file",
        sex="sex",
        age="age",
        site="localization",
        diagnosis="dx",
        lesion="lesion_id",
    )
    packed = pack(REAL, REAL / "labels.csv", columns, tmp_path)
    assert packed == Packed(images=753, positive=240, groups=509, duplicates=0, not_melanoma=True)
    rows = rows_of(tmp_path / FILES["ground_truth"])
    assert sum(row["target"] == "1" for row in rows) == 240
    assert {row["sex"] for row in rows} == {"", "female", "male"}
    ages = {row["age_approx"] for row in rows}
    assert ages - {""} < {str(age) for age in range(0, 90, 5)}
    with zipfile.ZipFile(tmp_path / FILES["images"]) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert archive.read(name) == (REAL / "images" / Path(name).name).read_bytes()


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
    ("label", "diagnosis", "word"),
    [
        ("0", "basal cell carcinoma", "not melanoma"),
        ("not melanoma", "", "not melanoma"),
        ("benign", "naevus", "benign"),
        ("benign", "", "benign"),
        ("malignant", "Melanoma in situ", "malignant"),
        ("1", "unknown", "malignant"),
    ],
)
def test_the_word_is_the_users_or_not_melanoma(
    run: Callable[..., Packed], tmp_path: Path, label: str, diagnosis: str, word: str
) -> None:
    run((HEADER + ROWS).replace("L3,0,male,5.5,ear,nv", f"L3,{label},male,5.5,ear,{diagnosis}"))
    assert rows_of(tmp_path / "out" / FILES["ground_truth"])[2]["benign_malignant"] == word


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


def test_what_is_packed_is_read_by_the_task(run: Callable[..., Packed], tmp_path: Path) -> None:
    run()
    assert [row.label for row in read_raw("melanoma", tmp_path / "out", {}).rows] == [
        "not_melanoma", "melanoma", "not_melanoma",
    ]  # fmt: skip
    run((HEADER + ROWS).replace(",0,", ",benign,"))
    assert [row.label for row in read_raw("melanoma", tmp_path / "out", {}).rows] == [
        "benign", "melanoma", "benign",
    ]  # fmt: skip


def test_one_picture_under_two_labels_is_named(run: Callable[..., Packed], images: Path) -> None:
    (images / "b.JPEG").write_bytes((images / "a.jpg").read_bytes())
    assert "1 time: a (0) = b (1)." in run().notes[0]


def test_without_a_table_the_way_is_told(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--images", str(images), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert "--table, --id, --label, --group must be given" in said
    assert "python -m tools.new_task NAME --images DIR --out DIR" in said
