"""The embedded recipes whose answers are labels, each from its archive to its verdict."""

from collections.abc import Callable

import pytest

from tests.pipeline.conftest import Project
from tests.pipeline.recipes import RECIPES, check_recipe, share_cache, with_words


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = clone("recipes-of-labels")
    share_cache(project, tmp_path_factory.getbasetemp())
    return project


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if not with_words(recipe)])
def test_tuning_is_shown_to_help(project: Project, recipe: str) -> None:
    check_recipe(project, recipe)
