"""One recipe of labels and one of words in full: tuning is shown to help.

``make bench name=recipes`` shows it of every embedded recipe.
"""

from collections.abc import Callable

import pytest

from tests.pipeline.conftest import Project
from tests.pipeline.recipes import IN_FULL, RECIPES, run_recipe, with_words


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project]) -> Project:
    """A clone whose cache lasts from recipe to recipe: their base is made once."""
    return clone("recipes-in-full")


def test_there_is_one_of_labels_and_one_of_words() -> None:
    assert set(IN_FULL) <= set(RECIPES)
    assert sorted(map(with_words, IN_FULL)) == [False, True]


@pytest.mark.parametrize("recipe", IN_FULL)
def test_tuning_is_shown_to_help(project: Project, recipe: str) -> None:
    numbers = run_recipe(project, recipe, whole=True)
    decisive = "token_f1" if with_words(recipe) else "balanced_accuracy"
    assert numbers[f"tuned_minus_base.{decisive}_low"] > 0
    assert numbers["verdict"].startswith("Tuning raised ")
