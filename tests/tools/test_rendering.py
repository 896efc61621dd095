"""A recipe says what is its own; over the defaults it is the complete, commented params.yaml."""

import shutil
from pathlib import Path

import pytest
from dvc.utils.serialize import modify_yaml
from pydantic import BaseModel

from testing.places import ROOT
from tools.commented_yaml import Layer, inner, keys_of, read_layer, text_of
from tools.recipe import validate_recipe
from tools.rendering import MINE, NAMED, OF_THE_TASK, recipe_values, recipes, render
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import load_yaml
from verdict.params import Params
from verdict.params.section import Section

RECIPES = {
    name: path
    for name, path in recipes(ROOT / "recipes").items()
    if not name.startswith(f"{MINE.name}/")
}
DEFAULT = "embedded/melanoma"


def undocumented(text: str, path: Path) -> list[str]:
    """Return the keys of a params file without a comment that names their type and default.

    Of what has the user's own names the whole has one; models are explained key by key, too.
    """
    path.write_text(text, "utf-8")
    layer = read_layer(path)
    found = []
    for key, value in keys_of(layer.values):
        named = next((name for name in (*NAMED, "terms.data") if key.startswith(f"{name}.")), None)
        comment = " ".join(layer.above.get(key, ()))
        if named is None:
            whole = not isinstance(value, dict) or not value or key in NAMED
            documented = not whole or ("; default " in comment and ")" in comment)
        elif named in ("models", "evaluate.models") and not isinstance(value, dict):
            # Of examples it is the whole that has one.
            documented = "(" in comment or ".examples." in key
        else:
            documented = True
        found += [] if documented else [key]
    return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns("mine"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(project: Path, text: str, name: str = "own") -> Path:
    path = project / "recipes" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_renders_to_a_complete_commented_params_file(
    name: str, tmp_path: Path
) -> None:
    path = RECIPES[name]
    validate_recipe(path)
    text = render(path)
    values = load_yaml(text, path)
    assert values == recipe_values(path)
    dumped = Params(**values).model_dump()
    for model in dumped["models"].values():
        for key in ("embedded", "gguf"):
            if model[key] is None:
                del model[key]
    for model in dumped["evaluate"]["models"].values():
        if model["examples"] is None:
            del model["examples"]
    assert dumped == values, "every key of the schema stands there"
    assert list(dumped) == list(values)
    assert undocumented(text, tmp_path / "params.yaml") == []
    assert not [line for line in text.splitlines() if line.lstrip()[:1] == "#" and len(line) > 100]
    assert len(path.read_text("utf-8").splitlines()) < 86


def test_the_committed_params_are_what_the_default_recipe_renders() -> None:
    assert render(RECIPES[DEFAULT]).encode() == (ROOT / "params.yaml").read_bytes()


def test_all_recipes_and_the_defaults_are_short() -> None:
    defaults = ROOT / "recipes/defaults.yaml"
    assert all(name in defaults.read_text("utf-8").partition("\n\n")[0] for name in NAMED)
    paths = [*RECIPES.values(), defaults, *ROOT.glob("recipes/tasks/*.yaml")]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in paths) <= 1840


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_only_what_is_its_own(name: str, project: Path) -> None:
    own = read_layer(RECIPES[name])
    bare = written(project, f"task: {own.values['task']}\n")
    without = dict(keys_of(recipe_values(bare)))
    repeated = [
        key
        for key, value in keys_of(own.values)
        if key != "task" and key in without and without[key] == value and not key.startswith(NAMED)
    ]
    assert repeated == []


def test_hub_models_have_nothing_that_only_the_tiny_one_has() -> None:
    for path in RECIPES.values():
        for model in recipe_values(path)["models"].values():
            assert ("embedded" in model) == (model["name"] == "embedded")


def test_mappings_of_the_users_names_are_those_of_the_schema() -> None:
    def named(section: type[BaseModel], parent: str = "") -> set[str]:
        found = set()
        for name, field in section.model_fields.items():
            key = inner(parent, name)
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                found |= named(field.annotation, key)
            elif "dict[" in str(field.annotation):
                found.add(key)
        return found

    assert named(Params) == {*NAMED, *OF_THE_TASK}


def test_mappings_merge_and_everything_else_replaces(project: Path) -> None:
    own = written(
        project,
        "task: breakhis\ndataset: {fold: 3}\nlora: {r: 4, target_modules: [q_proj]}\n"
        "compare: {merge: {}, merge_positive: null}\n"
        "models: {base: {name: a/b, revision: " + "a" * 40 + "}}\n",
    )
    values, before = recipe_values(own), recipe_values(RECIPES["embedded/breakhis"])
    assert values["dataset"] == {**before["dataset"], "fold": 3, "magnifications": [100]}
    assert values["lora"] == {
        **before["lora"], "r": 4, "target_modules": ["q_proj"], "modules_to_save": [],
    }  # fmt: skip
    assert values["compare"]["merge"] == {}
    assert values["models"] == {"base": {"name": "a/b", "revision": "a" * 40}}
    assert list(values) == list(before)
    validate_recipe(own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lora: {rr: 4}", "1 problem:\n  lora.rr: unknown key; did you mean lora.r?"),
        ("lora: {alpha: 4}", "  lora.alpha: unknown key; did you mean lora.lora_alpha?"),
        ("trian: {}", "  trian: unknown key; did you mean train?"),
        ("train: {r: 4}", "  train.r: unknown key; did you mean lora.r?"),
        ("report: {zzz: 4}", "  report.zzz: unknown key; report has cases"),
        ("learning_rate: 1", "  learning_rate: unknown key; did you mean train.learning_rate?"),
        ("zzz: 1", "  zzz: unknown key; a recipe has task, fetch, dataset, models, "),
        ("task: breakhis\ndataset: {folds: 1}", "  dataset.folds: unknown key; did you mean "
         "dataset.fold?"),
        ("fetch: {embedded: {image: 1}}", "did you mean fetch.embedded.images?"),
        ("a: 1\nlora: {b: 1}\n", "has 2 problems:\n  a: unknown key; "),
    ],
)  # fmt: skip
def test_a_key_that_the_defaults_do_not_have_is_named(project: Path, text: str, said: str) -> None:
    with pytest.raises(VerdictError) as told:
        render(written(project, text))
    assert str(told.value).startswith(f"{project / 'recipes/own.yaml'} has ")
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lora: 3", r"own\.yaml has 1 problem:\n  lora: input should be a valid dictionary"),
        ("lora:", r"own\.yaml has 1 problem:\n  lora: "),
        ("lora: {r: many}", r"lora\.r: 'many' is text, a number is expected"),
        ("dataset: {fold: 1}", r"own\.yaml has 1 problem:\n  dataset\.fold: unknown key"),
        ("models: {base: {name: embedded, revision: null}}",
         r"models\.base: an embedded model needs embedded: .* architecture, lessons, seed, steps"),
        ("task: lesions", r"own\.yaml: task is 'lesions'"),
        ("task: [a, b]", r"own\.yaml has 1 problem:\n  task: input should be a valid string"),
        (f"task: {'x' * 5000}", "x"),
        ("task: ../defaults", r"task: "),
        ("- a", r"own\.yaml is empty or not a mapping"),
        ("", r"own\.yaml is empty or not a mapping"),
        ("lora: [", r"own\.yaml, line 2, is not valid YAML"),
        ("lora: {}\nlora: {}", r"own\.yaml, line 2, is not valid YAML: .*duplicate key"),
        ("a: &a [*a]", r"own\.yaml, line 1, is not valid YAML"),
        ("? [a, b]\n: 1", r"own\.yaml has 1 problem:"),
        ("1: 2", r"own\.yaml has 1 problem:\n  1: unknown key"),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_named(project: Path, text: str, said: str) -> None:
    with pytest.raises(VerdictError, match=said):
        validate_recipe(written(project, text + "\n"))


@pytest.mark.parametrize(
    "text",
    [
        "lora: {r: 0x10}", "lora: {r: &r 4, lora_alpha: *r}", "train: {learning_rate: 2e-5}",
        "train: &t {seed: 3}", "format: {answers: {yes: Yes, no: No}, positive: yes}",
        "format: {prompt: 'a: #b'}", "tracking: {experiment: '010'}", "lora: {r: 1_0}",
        "lora:\n  r: 4\u2028  # x\n  lora_alpha: 5", "# a\x85# b\nlora: {r: 4}  # c\n",
        "\ufefflora:\n  r: 4  # why", "lora:\r\n  # why\r\n  r: 4\r\n",
        "compare: {merge: {a: [b], c: [d]}, merge_positive: a}",
    ],
)  # fmt: skip
def test_a_value_means_the_same_once_it_is_rendered(project: Path, text: str) -> None:
    path = written(project, text)
    assert load_yaml(render(path), path) == recipe_values(path)


def test_comments_of_the_recipe_stand_below_those_of_the_defaults(project: Path) -> None:
    text = render(
        written(
            project,
            "# Mine.\n# Two lines.\n\ntask: melanoma\n\n# On the whole.\nlora:\n  # A rank.\n"
            "  # In two lines.\n  r: 8  # behind\n  modules_to_save: [a, b]  # a list\n",
        )
    )
    assert text.startswith("# Mine.\n# Two lines.\n#\n#   make repro  ")
    assert "`python -m tools.recipe use own`" in text
    assert (
        "\n\n# Adapters; not used while train.method is full.\n# On the whole.\nlora:\n"
        "  # Rank. (integer; default 16)\n  # A rank.\n  # In two lines.\n  r: 8  # behind\n"
    ) in text
    assert "\n  modules_to_save: [a, b]  # a list\n" in text
    assert "(text; default the task's own)\n  prompt: >-\n" in text
    assert "a label or null; default melanoma)" in text, "the default of the data set's recipes"


def test_a_comment_behind_a_value_goes_with_the_value(project: Path) -> None:
    text = render(written(project, "task: breakhis\nlora: {r: 9}\n"))
    assert "  lora_alpha: 16  # as published\n" in text
    assert "  r: 9\n" in text


def test_a_name_of_the_users_own_has_the_comments_of_the_defaults(project: Path) -> None:
    text = render(
        written(
            project,
            "evaluate:\n  models:\n    first: {model: models/base, adapter: models/adapter}\n",
        )
    )
    assert (
        "    first:\n      # (folder)\n      model: models/base\n      # (folder or config.json)\n"
    ) in text


def test_a_complete_file_stays_as_it_is(project: Path) -> None:
    text = render(RECIPES[DEFAULT])
    edited = text.replace("  r: 16\n", "  r: 24  # do not forget\n") + "# The end.\n"
    assert render(written(project, edited, "mine/params-1")) == edited


def test_a_complete_file_that_lacks_a_newer_key_gets_its_default(project: Path) -> None:
    text = render(RECIPES[DEFAULT]).replace("  cases: 60\n", "  cases: 61\n")
    older = text.replace("  use_rslora: false\n", "")
    values = recipe_values(written(project, older, "mine/older"))
    assert (values["report"]["cases"], values["lora"]["use_rslora"]) == (61, False)


def test_a_task_without_a_file_of_defaults_has_its_keys_in_the_recipe(project: Path) -> None:
    path = written(project, "task: other\nfetch: {embedded: {a: 1}}\ndataset: {b: [2]}\n")
    values = recipe_values(path)
    assert (values["fetch"]["embedded"], values["dataset"]) == ({"a": 1}, {"b": [2]})
    with pytest.raises(VerdictError, match=r"own\.yaml: task is 'other'"):
        validate_recipe(written(project, "task: other\n"))


@pytest.mark.parametrize("name", ["melanoma", "embedded/breakhis"])
def test_dvc_changes_one_value_and_keeps_every_comment(name: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(render(RECIPES[name]), "utf-8")
    before = read_layer(path)
    with modify_yaml(str(path)) as values:  # as `dvc exp run -S lora.r=5`
        values["lora"]["r"] = 5
    after = read_layer(path)
    assert (before.header, before.above) == (after.header, after.above)
    old = dict(keys_of(before.values))
    assert [key for key, value in keys_of(after.values) if old[key] != value] == ["lora", "lora.r"]


def test_a_layer_is_written_as_it_is_read(tmp_path: Path) -> None:
    text = (
        "# Head\n\na:\n  # Above.\n  b: 0.00002  # behind\n  c: 'no'\n\nd: {}\n\n# E.\ne: null\n\n"
        "f:\n  - [1, 2]\n  - x\n\ng: {h: {i: 1}, j: [k]}\n"
    )
    path = tmp_path / "x.yaml"
    path.write_text(text, "utf-8")
    assert text_of(read_layer(path)) == text
    assert text_of(Layer({"a": {"b": [], "c": ["x"]}})) == "\n\na:\n  b: []\n  c: [x]\n"
