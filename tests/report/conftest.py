"""Projects with a page, made once."""

import shutil
from pathlib import Path

import pytest

from tests.report.projects import KINDS


@pytest.fixture(scope="package")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: make(folder / name) for name, make in KINDS.items()}


@pytest.fixture
def project(projects: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the project with two labels, free to be damaged."""
    return Path(shutil.copytree(projects["skin"], tmp_path / "project"))
