"""The synthetic archive: the published layout, the same bytes everywhere, classes to be told."""

import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from pydantic import ValidationError
from sklearn.ensemble import RandomForestClassifier

from testing.places import ROOT
from verdict.tasks.breakhis import Options, read_table
from verdict.tasks.breakhis.archive import FILES, Embedded, write_archive
from verdict.tasks.breakhis.archive.layout import FOLDS, MAGNIFICATIONS, SUBTYPES, parse_name

OPTIONS = Embedded(seed=7, patients=63, images_per_patient=1)

WRITE = """
import sys
from pathlib import Path
from verdict.tasks.breakhis.archive import Embedded, write_archive
write_archive(Path(sys.argv[1]), Embedded(seed=int(sys.argv[2]), patients=27,
              images_per_patient=1))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "raw"
    write_archive(path, OPTIONS)
    return path


@pytest.fixture(scope="module")
def archive(folder: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(folder / FILES["archive"])


@pytest.fixture(scope="module")
def folds(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("Folds.csv").decode())))


def digest_elsewhere(folder: Path, seed: int, **environment: str) -> str:
    subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), str(seed)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
    )
    return hashlib.sha256((folder / FILES["archive"]).read_bytes()).hexdigest()


def test_bytes_depend_on_the_options_alone(tmp_path: Path) -> None:
    one = digest_elsewhere(tmp_path / "1", 1, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="1")
    two = digest_elsewhere(
        tmp_path / "2",
        1,
        TZ="America/New_York",
        LC_ALL="C.UTF-8",
        PYTHONHASHSEED="2",
        # numpy's kernels for the oldest processors; the default above takes the newest.
        NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    )
    assert one == two
    assert digest_elsewhere(tmp_path / "3", 2) != one


def test_the_zip_is_laid_out_as_kaggle_has_it(
    folder: Path, archive: zipfile.ZipFile, folds: list[dict[str, str]]
) -> None:
    assert [path.name for path in folder.iterdir()] == [FILES["archive"]]
    members = archive.infolist()
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
    assert {member.date_time for member in members} == {(2019, 11, 1, 0, 0, 0)}
    names = [member.filename for member in members]
    assert names[0] == "Folds.csv"
    assert len(set(names)) == len(names)
    assert set(names[1:]) == {f"BreaKHis_v1/{row['filename']}" for row in folds}
    for name in names[1:]:
        path = PurePosixPath(name)
        image = parse_name(path.stem)
        assert name == f"BreaKHis_v1/{image.path}"
        kind, _, subtype, slide, magnification, _ = path.parts[4:]
        assert (kind, subtype) == (image.malignancy, image.subtype)
        assert slide == path.stem[:6].replace("-", "_") + slide[6:]
        assert magnification == f"{image.magnification}X"
    assert {parse_name(PurePosixPath(name).stem).code for name in names[1:]} == set(SUBTYPES)
    assert archive.read("Folds.csv").startswith(
        b"mag,fold,grp,filename\r\n100,1,train,BreaKHis_v1/histology_slides/breast/benign/SOB/aden"
    )


def test_images_are_small_pngs(archive: zipfile.ZipFile) -> None:
    for name in archive.namelist()[1::20]:
        with Image.open(io.BytesIO(archive.read(name))) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (96, 64))


def test_every_fold_has_every_image_once(folds: list[dict[str, str]]) -> None:
    images = {row["filename"] for row in folds}
    for fold in FOLDS:
        own = [row for row in folds if row["fold"] == str(fold)]
        assert len(own) == len(images) == len({row["filename"] for row in own})
        groups = [row["grp"] for row in own]
        assert groups == sorted(groups, reverse=True)  # training first
        assert 0.2 < groups.count("test") / len(groups) < 0.4
        assert {row["mag"] for row in own} == set(map(str, MAGNIFICATIONS))


def test_one_slide_is_in_two_classes_and_crosses_in_folds_1_3_and_5(
    folds: list[dict[str, str]],
) -> None:
    classes, groups = defaultdict(set), defaultdict(set)
    for row in folds:
        image = parse_name(PurePosixPath(row["filename"]).stem)
        classes[image.slide].add(image.code)
        groups[row["fold"], image.slide].add(row["grp"])
    (flawed,) = (slide for slide, codes in classes.items() if len(codes) > 1)
    assert classes[flawed] == {"DC", "LC"}
    assert {key for key, both in groups.items() if len(both) > 1} == {
        (fold, flawed) for fold in "135"
    }
    assert len(classes) == OPTIONS.patients


def test_the_pipeline_reads_what_is_written(folder: Path) -> None:
    options = Options(
        fold=1,
        magnifications=list(MAGNIFICATIONS),
        classes="binary",
        balance_seed=42,
        two_class_slides="leave_out",
    )
    table = read_table(folder, options)
    assert table.findings["left_out"]["balancing"] > 0
    assert table.findings["left_out"]["two_class_slides"] > 0
    assert table.images is not None
    assert {row.image for row in table.rows} <= table.images.places().keys()
    labels = Counter((row.split, row.label) for row in table.rows)
    assert len(labels) == 4
    assert abs(labels["test", "benign"] - labels["test", "malignant"]) < 20


def features(data: bytes) -> np.ndarray:
    """Colours and edges, in bands from fine to coarse: what texture there is, wherever it lies."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image, dtype=float)
        bands = [np.percentile(pixels[..., channel], (5, 25, 50, 75, 95)) for channel in range(3)]
        for radius in (1, 2, 4, 8):
            smooth = np.asarray(image.filter(ImageFilter.BoxBlur(radius)), dtype=float)
            bands.append((pixels - smooth).std(axis=(0, 1)))
    return np.concatenate(bands)


def test_classes_can_be_told_from_patients_never_seen(
    archive: zipfile.ZipFile, folds: list[dict[str, str]]
) -> None:
    # Fold 2: no slide crosses.
    rows = [row for row in folds if row["fold"] == "2"]
    seen = np.array([features(archive.read(f"BreaKHis_v1/{row['filename']}")) for row in rows])
    codes = np.array([parse_name(PurePosixPath(row["filename"]).stem).code for row in rows])
    train = np.array([row["grp"] == "train" for row in rows])
    forest = RandomForestClassifier(200, random_state=0).fit(seen[train], codes[train])
    right = forest.predict(seen[~train]) == codes[~train]
    by_class = {code: right[codes[~train] == code].mean() for code in SUBTYPES}
    # Chance is 0.125 for each. Some images look like another class, so nothing reaches 1 for sure.
    assert min(by_class.values()) > 0.5, by_class
    assert 0.75 < right.mean() < 0.995


@pytest.mark.parametrize("wrong", [{"patients": 26}, {"images_per_patient": 0}, {"seed": -1}])
def test_impossible_archives_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Embedded(**{"seed": 1, "patients": 27, "images_per_patient": 1, **wrong})
