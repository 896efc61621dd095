"""One recipe of words in full: tuning is shown to help.

``make bench name=recipes`` shows it of every embedded recipe.
"""

from collections.abc import Callable

from testing.project import Project
from tests.pipeline.recipes import IN_FULL, run_recipe, with_words


def test_tuning_is_shown_to_help(clone: Callable[[str], Project]) -> None:
    assert with_words(IN_FULL)
    numbers = run_recipe(clone("recipe-in-full"), IN_FULL, whole=True)
    assert numbers["tuned_minus_base.token_f1_low"] > 0
    assert numbers["verdict"].startswith("Tuning raised ")
