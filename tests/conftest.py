"""Shared fixtures: the project's root, valid parameters to vary, and small raw archives."""

import copy
import io
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from verdict.reproducibility.torchvision_operators import declare_missing_operators

ROOT = Path(__file__).resolve().parent.parent
#: Real data for tests, beside the checkout; absent in most places.
SHARED_DATA = ROOT.parent / "shared" / "data"

# Read when gcsfs is imported: otherwise every emulated bucket costs a minute of retries.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

# A test may import transformers before the project does.
declare_missing_operators()

#: What takes long comes last, in this order: of that, minutes first and seconds at the end, so that
#: both processes end at about the same time.
SLOW = (
    "tests/pipeline/test_recipes_in_full.py",
    # The first to need the small recipe's run, for which others would have to wait.
    "tests/pipeline/test_repro.py",
    "tests/pipeline/test_recipes_labels.py",
    "tests/pipeline/test_training.py",
    "tests/pipeline/test_verify.py",
    "tests/pipeline/test_recipes_words.py",
    "tests/pipeline/",
    "tests/faults/",
    "tests/engine/test_ray",
    "tests/tracking/",
    "tests/answers/",
    "tests/benchmarks/",
    "tests/models/",
    "tests/tiny_models/",
    "tests/runtime/",
    "tests/training/",
)

ISIC_HEADER = (
    "image_name,patient_id,{lesion}sex,age_approx,anatom_site_general_challenge,diagnosis,"
    "benign_malignant,target"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that a mistake is soon seen."""

    def rank(item: pytest.Item) -> int:
        place = item.nodeid
        return next((i + 1 for i, start in enumerate(SLOW) if place.startswith(start)), 0)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def committed_params() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def params(committed_params: dict[str, Any]) -> dict[str, Any]:
    """A copy of the committed parameters, free to be changed."""
    return copy.deepcopy(committed_params)


def jpeg(colour: tuple[int, int, int] = (120, 80, 60), size: tuple[int, int] = (80, 60)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class IsicArchive:
    """A small raw folder in the SIIM-ISIC layout, easy to damage."""

    def __init__(self, folder: Path, images: int = 12, per_patient: int = 2):
        self.folder = folder
        self.rows = [
            {
                "image_name": f"ISIC_{i:07d}",
                "patient_id": f"IP_{i // per_patient:07d}",
                "lesion_id": f"IL_{i:07d}",
                "sex": "female" if i % 3 else "",
                "age_approx": "45",
                "anatom_site_general_challenge": "torso",
                "diagnosis": "melanoma" if i % 4 == 0 else "nevus",
                "benign_malignant": "malignant" if i % 4 == 0 else "benign",
                "target": "1" if i % 4 == 0 else "0",
            }
            for i in range(images)
        ]
        self.images = {
            row["image_name"]: jpeg((20 * i % 255, 90, 60)) for i, row in enumerate(self.rows)
        }
        self.duplicates: list[tuple[str, str]] = [("ISIC_0000000", "ISIC_0000001")]

    def write(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        for suffix, lesion in (("", ""), ("_v2", "lesion_id,")):
            header = ISIC_HEADER.format(lesion=lesion)
            lines = [header] + [
                ",".join(row[column] for column in header.split(",")) for row in self.rows
            ]
            path = self.folder / f"ISIC_2020_Training_GroundTruth{suffix}.csv"
            path.write_text("\r\n".join(lines) + "\r\n", newline="")
        pairs = ["image_name_1,image_name_2", *(",".join(pair) for pair in self.duplicates)]
        (self.folder / "ISIC_2020_Training_Duplicates.csv").write_text("\n".join(pairs) + "\n")
        with zipfile.ZipFile(self.folder / "ISIC_2020_Training_JPEG.zip", "w") as archive:
            for name, data in self.images.items():
                archive.writestr(f"train/{name}.jpg", data)
        return self.folder


@pytest.fixture
def isic(tmp_path: Path) -> Callable[..., IsicArchive]:
    return lambda **options: IsicArchive(tmp_path / "raw", **options)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny base and its records (``tests.tiny.Tiny``); imports torch."""
    from tests.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def in_a_terminal() -> Iterator[None]:
    """Take SIGHUP as a terminal's programs do: with ``nohup make test`` all would ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
