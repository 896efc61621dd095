import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testing.places import ROOT, SHARED_DATA
from tests.tools.lesions import HEADER, ROWS, encoded
from tests.tools.test_rendering import undocumented
from tools.pack_isic import Columns, Packed, main, pack
from tools.recipe import validate_recipe
from tools.rendering import render
from verdict.records.archive import ZipImages
from verdict.tasks import read_raw
from verdict.tasks.melanoma.archive.layout import FILES


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
    assert len(recipe.read_text("utf-8").splitlines()) < 95
    # The published data's are not one's own data's.
    assert params.terms.data is None

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
