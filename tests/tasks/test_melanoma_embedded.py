"""The synthetic archive: the published layout, the same bytes everywhere, the promised shares."""

import csv
import hashlib
import io
import itertools
import math
import os
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from testing.places import ROOT
from verdict.synthetic import drawing
from verdict.tasks.melanoma.archive.layout import COLUMNS, FILES
from verdict.tasks.melanoma.archive.options import Embedded
from verdict.tasks.melanoma.archive.synthetic import write_archive
from verdict.tasks.melanoma.table import Options, read_table

#: As committed in params.yaml.
OPTIONS = Embedded(seed=20, images=1000, positive_share=0.30)

WRITE = """
import sys
from pathlib import Path
from typing import Any
from verdict.tasks.melanoma.archive.options import Embedded
from verdict.tasks.melanoma.archive.synthetic import write_archive
write_archive(Path(sys.argv[1]), Embedded(seed=int(sys.argv[2]), images=60,
              positive_share=0.2))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "raw"
    write_archive(folder, OPTIONS)
    return folder


def rows(folder: Path, file: str) -> list[dict[str, str]]:
    with open(folder / FILES[file], encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def write_elsewhere(folder: Path, seed: int, **environment: str) -> dict[str, str]:
    subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), str(seed)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
    )
    return digests(folder)


def test_bytes_depend_on_the_options_alone(tmp_path: Path) -> None:
    one = write_elsewhere(tmp_path / "one", 1, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="1")
    two = write_elsewhere(
        tmp_path / "two",
        1,
        TZ="America/New_York",
        LC_ALL="C.UTF-8",
        PYTHONHASHSEED="2",
        # numpy's kernels for the oldest processors; the default above takes the newest.
        NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    )
    assert one == two
    other_seed = write_elsewhere(tmp_path / "three", 2)
    assert all(other_seed[name] != digest for name, digest in one.items())


def test_rounding_hides_the_last_bit_of_a_cosine() -> None:
    for direction in range(drawing.TURN):
        exact = 4096 * math.cos(2 * math.pi * direction / drawing.TURN)
        # Far from a half compared with an error of a last bit (1e-12 at this size).
        assert abs(abs(exact - math.floor(exact)) - 0.5) > 1e-6, direction


def test_files_and_columns_are_the_published_ones(archive: Path) -> None:
    assert set(digests(archive)) == set(FILES.values())
    headers = {
        "ground_truth": ",".join(COLUMNS),
        "ground_truth_v2": ",".join((*COLUMNS[:2], "lesion_id", *COLUMNS[2:])),
        "duplicates": "image_name_1,image_name_2",
    }
    for file, header in headers.items():
        content = (archive / FILES[file]).read_bytes()
        assert content.startswith(f"{header}\r\n".encode())
        assert content.count(b"\n") == content.count(b"\r\n")
        assert content.endswith(b"\r\n")


def test_tables_and_zip_hold_the_same_images(archive: Path) -> None:
    names = sorted(row["image_name"] for row in rows(archive, "ground_truth"))
    with zipfile.ZipFile(archive / FILES["images"]) as images:
        members = images.infolist()
        assert [member.filename for member in members] == [f"train/{name}.jpg" for name in names]
        assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
        assert {member.date_time for member in members} == {(2020, 8, 1, 0, 0, 0)}
        shapes = set()
        for member in members:
            with Image.open(io.BytesIO(images.read(member))) as image:
                image.load()
                assert (image.format, image.mode) == ("JPEG", "RGB")
                # The largest side of the widest format; a cropped copy loses up to 8 pixels.
                assert 56 <= min(image.size) <= max(image.size) <= 160
                shapes.add(image.size)
    assert len(names) == len(set(names)) == OPTIONS.images
    assert len(shapes) > 50
    assert len({round(width / height, 1) for width, height in shapes}) >= 3


def test_version_2_adds_the_lesion_and_nothing_else(archive: Path) -> None:
    with_lesion = rows(archive, "ground_truth_v2")
    for row in with_lesion:
        assert row.pop("lesion_id").startswith("IL_")
    assert with_lesion == rows(archive, "ground_truth")


def test_cells_are_of_the_published_kind(archive: Path) -> None:
    table = rows(archive, "ground_truth_v2")
    for row in table:
        for column, prefix in (("image_name", "ISIC"), ("patient_id", "IP"), ("lesion_id", "IL")):
            start, _, number = row[column].partition("_")
            assert start == prefix
            assert len(number) == 7
            assert number.isdecimal()
        assert (row["benign_malignant"], row["target"]) in (("benign", "0"), ("malignant", "1"))
        assert (row["diagnosis"] == "melanoma") == (row["target"] == "1")
        assert row["diagnosis"] in ("melanoma", "nevus", "unknown")
        assert row["sex"] in ("male", "female", "")
        assert (row["sex"] == "") == (row["age_approx"] == "")
        assert row["age_approx"] == "" or int(row["age_approx"]) % 5 == 0
    for column in ("sex", "age_approx", "anatom_site_general_challenge"):
        empty = sum(row[column] == "" for row in table)
        assert 0 < empty < 0.1 * len(table), column


@pytest.mark.parametrize(("images", "share"), [(50, 0.02), (333, 0.1), (400, 0.3)])
def test_the_share_of_melanomas_is_exact(tmp_path: Path, images: int, share: float) -> None:
    options = Embedded(seed=11, images=images, positive_share=share)
    write_archive(tmp_path, options)
    table = rows(tmp_path, "ground_truth")
    assert len(table) == images
    assert sum(row["target"] == "1" for row in table) == round(images * share)


def test_patients_have_several_images_and_some_have_both_labels(archive: Path) -> None:
    targets = defaultdict(list)
    for row in rows(archive, "ground_truth"):
        targets[row["patient_id"]].append(row["target"])
    counts = [len(labels) for labels in targets.values()]
    assert min(counts) >= 2
    # Originals of one patient are at most 13; a few near-duplicates come on top.
    assert 8 <= max(counts) <= 18
    assert sorted(counts)[len(counts) // 2] < sum(counts) / len(counts)
    mixed = sum(len(set(labels)) == 2 for labels in targets.values())
    assert 0.2 < mixed / len(targets) < 0.95


def test_a_lesion_has_one_patient_and_one_label(archive: Path) -> None:
    seen = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for row in rows(archive, "ground_truth_v2"):
        seen[row["lesion_id"]].add((row["patient_id"], row["target"], row["diagnosis"]))
        count[row["lesion_id"]] += 1
    assert all(len(about) == 1 for about in seen.values())
    assert sum(number >= 2 for number in count.values()) >= 6


def test_duplicates_share_patient_lesion_and_label(archive: Path) -> None:
    table = {row["image_name"]: row for row in rows(archive, "ground_truth_v2")}
    pairs = [(r["image_name_1"], r["image_name_2"]) for r in rows(archive, "duplicates")]
    assert len(pairs) == len(set(pairs)) == round(0.015 * OPTIONS.images)
    assert pairs == sorted(pairs)
    for one, two in pairs:
        assert one < two
        for column in ("patient_id", "lesion_id", "target"):
            assert table[one][column] == table[two][column]


def test_duplicates_look_alike_and_are_other_bytes(archive: Path) -> None:
    pairs = {frozenset(row.values()) for row in rows(archive, "duplicates")}
    with zipfile.ZipFile(archive / FILES["images"]) as images:

        def small(name: str) -> Image.Image:
            with Image.open(io.BytesIO(images.read(f"train/{name}.jpg"))) as image:
                return image.convert("RGB").resize((16, 16))

        def difference(one: Image.Image, two: Image.Image) -> float:
            bytes_of = zip(one.tobytes(), two.tobytes(), strict=True)
            return sum(abs(a - b) for a, b in bytes_of) / (16 * 16 * 3)

        for one, two in map(sorted, pairs):
            assert images.read(f"train/{one}.jpg") != images.read(f"train/{two}.jpg")
            mirrored = small(two).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            nearest = min(difference(small(one), small(two)), difference(small(one), mirrored))
            assert nearest < 8
        names = sorted(row["image_name"] for row in rows(archive, "ground_truth"))[:40]
        apart = [difference(small(a), small(b)) for a, b in itertools.pairwise(names)]
        assert sum(apart) / len(apart) > 25


def test_the_pipeline_reads_what_is_written(archive: Path) -> None:
    table = read_table(archive, Options())
    assert len(table.rows) == OPTIONS.images
    assert len(table.duplicates) == round(0.015 * OPTIONS.images)
    assert {row.label for row in table.rows} == {"benign", "melanoma"}


@pytest.mark.parametrize("wrong", [{"images": 10}, {"positive_share": 0.5}])
def test_impossible_archives_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Embedded(**{"seed": 1, "images": 100, "positive_share": 0.1, **wrong})
