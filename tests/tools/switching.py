"""A project in miniature whose recipe is switched."""

import shutil
import subprocess
from pathlib import Path

import pytest

from testing.places import ROOT


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed params.yaml and two recipes, without the rest of the project."""
    for folder in ("embedded", "tasks"):
        (tmp_path / "recipes" / folder).mkdir(parents=True)
    for name in ("defaults", "tasks/melanoma", "melanoma", "embedded/melanoma"):
        shutil.copy(ROOT / f"recipes/{name}.yaml", tmp_path / f"recipes/{name}.yaml")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "As it stands")
    return tmp_path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(before) == 1, before
    path.write_text(text.replace(before, after), "utf-8")
