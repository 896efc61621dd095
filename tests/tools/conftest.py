"""Projects in miniature, lesions to be packed, and labelled images for a task to be made of."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from testing.places import ROOT
from tests.tools.lesions import images, run
from tests.tools.own_task import ROWS, write
from tests.tools.switching import project
from tests.verify.miniature import check, finished, miniature, signed

__all__ = ["check", "finished", "images", "labelled", "miniature", "project", "run", "signed"]


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine images with ``labels.csv``, and the recipes that others are derived from."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns("mine"))
    (tmp_path / "pictures").mkdir()
    for shade, (name, *_) in enumerate(ROWS):
        Image.new("RGB", (40, 30), (25 * shade, 90, 90)).save(tmp_path / f"pictures/{name}.png")
    monkeypatch.chdir(tmp_path)
    write(ROWS)
    return tmp_path
