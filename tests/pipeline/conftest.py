"""Fixtures of the small recipe: fresh clones, and its run made once."""

from collections.abc import Callable

import pytest

from testing.project import Project, Small, lay_out, make_small
from testing.secrets import SECRETS


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Make a project like this one (work tree, not yet run) under the given folder name."""
    return lambda name: lay_out(tmp_path_factory.mktemp("clones") / name)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The small recipe's run, made once for all processes of this test run."""
    folder = tmp_path_factory.getbasetemp()
    if folder.name.startswith("popen-"):
        folder = folder.parent
    return make_small(folder / "small")


@pytest.fixture(scope="session")
def repro(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small recipe after one ``dvc repro``, committed; secrets were in its environment."""
    project = small.copy(tmp_path_factory.mktemp("clones") / "project")
    project.environment |= SECRETS
    project.said = small.said
    return project
