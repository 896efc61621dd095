"""The embedded recipes whose answers are free text, each from its archive to its verdict.

Little data and few steps: that tuning is shown to help is for ``make bench name=recipes``.
"""

from collections.abc import Callable

import pytest

from testing.project import Project, Small
from tests.pipeline.recipes import RECIPES, run_recipe, with_words


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project], small: Small) -> Project:
    return small.share_cache(clone("recipes-of-words"))


@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in RECIPES if with_words(recipe)],
)
def test_it_runs_from_archive_to_verdict(project: Project, recipe: str) -> None:
    run_recipe(project, recipe)
