"""Three images of lesions with their table, as a clinic may have them, to be packed."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tools.pack_isic import Columns, Packed, pack

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
