"""The four recipes: they fit the task, and ask what was published."""

from typing import Any

import pytest

from testing.places import ROOT
from tools.rendering import recipe_values
from verdict.params.file import check_section
from verdict.tasks.breakhis import Options
from verdict.tasks.breakhis.archive import FILES, Embedded
from verdict.tasks.breakhis.archive.layout import SUBTYPES
from verdict.tiny_models.questions import RECIPE_QUESTIONS

RECIPES = ("breakhis", "breakhis-binary", "embedded/breakhis", "embedded/breakhis-binary")


def read(recipe: str) -> dict[str, Any]:
    return recipe_values(ROOT / "recipes" / f"{recipe}.yaml")


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_tasks_own_options_are_valid(recipe: str) -> None:
    params = read(recipe)
    assert params["task"] == "breakhis"
    assert params["fetch"]["files"].keys() == FILES.keys()
    check_section(Embedded, params["fetch"]["embedded"], "fetch.embedded")
    options = check_section(Options, params["dataset"], "dataset")
    assert (options.fold, options.balance_seed) == (1, 42)
    assert (options.classes == "binary") == recipe.endswith("binary")
    labels = {
        "eight": list(SUBTYPES.values()),
        "binary": ["benign", "malignant"],
    }[options.classes]
    # In the order of the class numbers, which are the answers.
    assert params["format"]["answers"] == {label: str(i) for i, label in enumerate(labels)}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_embedded_model_knows_the_words_of_the_question(recipe: str) -> None:
    given = read(recipe)["format"]
    (question,) = (q for q in RECIPE_QUESTIONS if q.prompt == given["prompt"])
    assert question.answers == tuple(given["answers"].values())
    assert (question.system or "") == given["system"] == ""


@pytest.mark.parametrize("name", ["breakhis", "breakhis-binary"])
def test_the_full_recipe_has_the_published_settings(name: str) -> None:
    params = read(name)
    assert params["models"]["base"]["name"] == "google/medgemma-4b-it"
    assert params["dataset"]["magnifications"] == [100]
    lora = params["lora"]
    assert (lora["r"], lora["lora_alpha"], lora["lora_dropout"]) == (8, 16, 0.1)
    assert lora["target_modules"] == "all-linear"
    assert params["quantization"]["load_in_4bit"] is False
    assert params["model"]["dtype"] == "bfloat16"
    train = params["train"]
    assert train["num_train_epochs"] == 5
    assert train["per_device_train_batch_size"] == 1
    assert train["gradient_accumulation_steps"] == 8
    assert train["optim"] == "paged_adamw_8bit"
    assert train["gradient_checkpointing"] is True
    # The one departure: adapters in the language model alone.
    assert train["freeze"] == ["embeddings", "projector", "vision_tower"]
