"""The scripts of ``deploy/`` as somebody has them who has filled in the settings."""

import shutil
from pathlib import Path

import pytest

from testing.places import ROOT


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A copy of the scripts with its settings filled in, for programs that only note the call."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    settings = tmp_path / "deploy/settings.env"
    text = settings.read_text("utf-8").replace("my-project", "mine")
    settings.write_text(text.replace("0" * 64, "d" * 64).replace("0" * 40, "c" * 40), "utf-8")
    return tmp_path
