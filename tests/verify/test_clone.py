"""The clone that verify works in: from whatever it is called, nothing outside it is changed."""

import os
import shutil
from pathlib import Path

import pytest

from tests.verify.miniature import git
from verify.clone import git as asked
from verify.clone import run, temporary_clone, uncommitted
from verify.pipeline import Pipeline


@pytest.fixture
def committing(miniature: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in miniature, as a pre-commit hook finds it: with a file that is staged."""
    (miniature / "new.py").write_text("")
    git(miniature, "add", "new.py")
    for name, path in (
        ("GIT_INDEX_FILE", ".git/index"), ("GIT_DIR", ".git"), ("GIT_WORK_TREE", "."),
        ("GIT_OBJECT_DIRECTORY", ".git/objects"),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(miniature / path))
    monkeypatch.setenv("GIT_PREFIX", "")
    return miniature


def test_the_index_of_whoever_is_committing_stays_as_it_is(committing: Path) -> None:
    before = (committing / ".git/index").read_bytes()
    with temporary_clone(committing, keep=False) as clone:
        assert (committing / ".git/index").read_bytes() == before
        assert (clone / ".git/index").is_file()
        assert uncommitted(clone) == []
        assert uncommitted(committing) == [("A ", "new.py")]
        assert asked(clone, "rev-parse", "--show-toplevel").strip() == str(clone)
        # So does a stage that asks git.
        assert run(clone, "git rev-parse --show-toplevel").stdout.strip() == str(clone)
        assert run(clone, "env").stdout.count("\nGIT_") == _own_variables()
    assert (committing / ".git/index").read_bytes() == before


def _own_variables() -> int:
    """How many variables of git's are the user's own, such as a name, and not a repository's."""
    local = asked(Path(), "rev-parse", "--local-env-vars").split()
    return sum(name.startswith("GIT_") and name not in local for name in os.environ)


@pytest.mark.parametrize("folder", [".checkpoints", "elsewhere"])
def test_work_that_a_commit_pretends_was_finished_is_not_gone_on_from(
    miniature: Path, folder: str
) -> None:
    planted = miniature / folder / "0123456789abcdef/checkpoint-186/adapter_model.safetensors"
    planted.parent.mkdir(parents=True)
    planted.write_text("forged")
    if folder == "elsewhere":
        (miniature / ".checkpoints").symlink_to(folder)
    git(miniature, "add", "--force", ".checkpoints", folder)
    git(miniature, "commit", "--quiet", "-m", "As if killed")
    with temporary_clone(miniature, keep=False) as clone:
        assert not (clone / ".checkpoints").exists()


def test_dvc_need_not_write_in_the_project(miniature: Path) -> None:
    shutil.rmtree(miniature / ".dvc/tmp")
    # The tests may run as root, who may write everywhere, but not below a file.
    (miniature / ".dvc/tmp").write_text("")
    with temporary_clone(miniature, keep=False) as clone:
        (train, *_) = Pipeline(clone).stages
        assert (clone / "models/adapter/adapter_model.safetensors").read_text() == "weights"
        assert Pipeline(clone).listing(train.outs["data/splits"])


def test_no_folder_is_left_behind_or_made_anew(
    miniature: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_clone(miniature, keep=False) as clone:
        assert Pipeline(clone).stages
    assert Pipeline(miniature).stages
    assert not clone.parent.exists()
