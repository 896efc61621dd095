"""Rows, steps and lengths that the costs of the full-size recipes are computed from."""

import pytest

from testing.places import ROOT
from tools.rendering import read_recipe, recipes
from verdict.params import Params

torch = pytest.importorskip("torch")


def recipe(name: str) -> Params:
    return read_recipe(ROOT / "recipes" / f"{name}.yaml")


@pytest.mark.parametrize(
    ("name", "train", "test", "steps"),
    [
        ("melanoma", 26_501, 3_313, 1000),
        # 681 rows, 8 a step, 5 times.
        ("breakhis", 681, 522, 430),
        ("medpix-vqa", 17_420, 1_540, 1000),
        # 1,345 rows, 16 a step, 3 times.
        ("entity-resolution-classifier", 1_345, 673, 255),
    ],
)
def test_rows_and_steps_of_a_recipe(name: str, train: int, test: int, steps: int) -> None:
    from benchmarks.parts.costs_rows import counts_of, steps_of

    params = recipe(name)
    counts = counts_of(params)
    assert (counts.train, counts.test) == (train, test)
    assert steps_of(params, counts.train) == steps


def test_a_row_is_the_prompt_the_image_and_the_answer() -> None:
    from benchmarks.parts.costs_rows import Row, inputs_of, row_of, text_tokens
    from testing.published import without_weights

    assert text_tokens("Yes, 0: benign_adenosis.\n\n") == 9
    assert row_of(recipe("entity-resolution-classifier")) == Row(2048, 0, 0)
    params = recipe("breakhis")
    row = row_of(params)
    assert (row.answer, row.images) == (2, 1)
    inputs = inputs_of(params, row, without_weights("google/medgemma-4b-it").config)
    assert inputs["input_ids"].shape == (1, row.tokens)
    assert inputs["token_type_ids"].sum() == 256
    assert inputs["labels"].ne(-100).sum() == 2
    assert inputs["pixel_values"].shape == (1, 3, 896, 896)


def test_every_full_size_recipe_has_a_target_and_a_published_size() -> None:
    from benchmarks.costs import PUBLISHED, TARGETS

    names = {name for name in recipes(ROOT / "recipes") if "/" not in name}
    # Its tower has shapes that depend on values.
    names.remove("melanoma-gemma4")
    assert set(TARGETS) == names
    assert set(PUBLISHED) == {recipe(name).models["base"].name for name in names}
