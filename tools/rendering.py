"""Render a recipe: the complete, commented params.yaml that it and the defaults make together.

``recipes/defaults.yaml`` holds every key with its meaning and type, ``recipes/tasks/TASK.yaml``
what all recipes of a data set share, and a recipe only what is its own. Mappings merge key by key;
everything else replaces, and so does a mapping whose keys are the user's own names (``NAMED``).

A comment above a key is added to those that the key has already; one behind a value goes with it.
The default is written into the former here, so that no comment can promise another.
"""

import difflib
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.commented_yaml import Layer, inner, keys_of, plain, read_layer, text_of
from verdict.core.errors import VerdictError
from verdict.params import Params
from verdict.params.file import check_params

RECIPES = Path("recipes")
#: Where edited params files are kept, and recipes for one's own data.
MINE = RECIPES / "mine"
DEFAULTS = "defaults.yaml"
TASKS = "tasks"
#: Mappings whose keys are names of the user's own; they are replaced as a whole.
NAMED = (
    "fetch.files",
    "models",
    "terms.models",
    "format.answers",
    "train.deepspeed",
    "replicates",
    "baselines",
    "evaluate.models",
    "outside",
    "compare.merge",
)
#: Sections whose keys the task defines: its file in ``tasks``, or without one the recipe.
OF_THE_TASK = ("fetch.embedded", "dataset")
_WIDTH = 100  # characters in a line of comments
_LONGEST_DEFAULT = 60  # characters
_HEADER = """\
{header}
#
#   make repro                             run it
#   dvc exp run -S lora.r=32               try one change; only what depends on it runs again
#   dvc exp run --queue -S 'lora.r=8,16'   queue several, then: dvc queue start
#   python -m tools.recipe check           check this file
#
# Written by `python -m tools.recipe use {name}`; yours to edit.
# Every key stands here with its meaning, its type, and the default that it has in
# recipes/defaults.yaml or, for this data set, in recipes/tasks/."""


def recipes(root: Path = RECIPES) -> dict[str, Path]:
    """Return the file of each recipe by its name, such as ``embedded/melanoma``."""
    folders = (root, root / "laptop", root / "embedded", root / MINE.name)
    paths = [
        path
        for folder in folders
        for path in sorted(folder.glob("*.yaml"), key=lambda file: file.stem)
        if path != root / DEFAULTS
    ]
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}


def find(name: str) -> Path:
    """Return the file of a recipe; ``recipes/NAME.yaml`` is understood, too."""
    known = recipes()
    short = name.removeprefix(f"{RECIPES.as_posix()}/").removesuffix(".yaml")
    if short not in known:
        close = difflib.get_close_matches(short, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
        raise VerdictError(f"there is no recipe {name!r} in {RECIPES}/; {hint}")
    return known[short]


def recipe_values(path: Path) -> dict[str, Any]:
    """Return the values of every key that a recipe and the defaults give, not yet validated.

    Raises:
        VerdictError: a file cannot be read, or the recipe has keys that the defaults do not have.
    """
    own = read_layer(path)
    values: dict[str, Any] = plain(_laid_over(_base(path, own), own, path).values)
    return values


def read_recipe(path: Path) -> Params:
    """Return a recipe's parameters, validated by the schema.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    return check_params(recipe_values(path), path)


def render(path: Path) -> str:
    """Return the text of the params.yaml that a recipe and the defaults make together.

    A recipe that says everything itself, such as a params.yaml that was kept, stays as it is.

    Raises:
        VerdictError: as ``recipe_values``.
    """
    own = read_layer(path)
    layer = _laid_over(_base(path, own), own, path)
    if layer.values == own.values:
        return path.read_text(encoding="utf-8")
    layer = _laid_over(_base(path, own, with_defaults=True), own, path)
    name = path.relative_to(_folder(path)).with_suffix("").as_posix()
    header = _HEADER.format(header=own.header or f"# {name}", name=name)
    above = {key: _comment(layer, key) for key, _ in keys_of(layer.values)}
    return text_of(replace(layer, header=header, above=above))


def _folder(path: Path) -> Path:
    """Return the folder of recipes that a recipe lies in, or in a folder of."""
    return path.parent if (path.parent / DEFAULTS).is_file() else path.parent.parent


def _base(path: Path, own: Layer, *, with_defaults: bool = False) -> Layer:
    """Return what a recipe is laid over: the defaults, and what its task's recipes share.

    Args:
        with_defaults: say in each comment which value the key has here.
    """
    defaults = read_layer(_folder(path) / DEFAULTS)
    files = {file.stem: file for file in (_folder(path) / TASKS).glob("*.yaml")}
    path = files.get(str(own.values.get("task", defaults.values["task"])), path)
    task = read_layer(path) if path in files.values() else Layer({})
    if with_defaults:
        values = _laid_over(defaults, task, path).values
        defaults = _with_defaults(defaults, values)
        task = _with_defaults(task, values, tuple(f"{section}." for section in OF_THE_TASK))
    # What is said of the first name of the user's own holds for the others.
    general: dict[str, Sequence[str]] = {}
    for key, comment in defaults.above.items():
        general.setdefault(_general(key), comment)
    return _laid_over(replace(defaults, above={**general, **defaults.above}), task, path)


def _laid_over(base: Layer, own: Layer, path: Path) -> Layer:
    """Lay what a file says over ``base``; ``path``: the file, for messages.

    Raises:
        VerdictError: keys that ``base`` does not have, each with the nearest that it has.
    """
    unknown: list[str] = []
    values = _merged(base.values, own.values, "", unknown)
    if unknown:
        known = [key for key, _ in keys_of(base.values)]
        lines = [f"  {key}: unknown key; {_nearest(key, known)}" for key in unknown]
        problems = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
        raise VerdictError(f"{path} has {problems}:\n" + "\n".join(lines))
    added = {
        key: [*_comment(base, key), *filter(None, comment)] for key, comment in own.above.items()
    }
    said = {key for key, _ in keys_of(own.values)}
    # What stands behind a value is about that value alone.
    kept = {key: comment for key, comment in base.behind.items() if key not in said}
    return Layer(values, own.header, {**base.above, **added}, {**kept, **own.behind})


def _merged(
    base: Mapping[str, Any], own: Mapping[str, Any], parent: str, unknown: list[str]
) -> dict[str, Any]:
    merged = dict(base)
    for name, value in own.items():
        key, former = inner(parent, name), base.get(name)
        if name not in base and (base or parent not in OF_THE_TASK):
            unknown.append(key)
        elif isinstance(former, dict) and isinstance(value, dict) and key not in NAMED:
            merged[name] = _merged(former, value, key, unknown)
        else:
            merged[name] = value
    return merged


def _nearest(key: str, known: Sequence[str]) -> str:
    """Name the nearest key: of the same name elsewhere, or of the same section."""
    parent, _, name = key.rpartition(".")
    if elsewhere := [other for other in known if other.rpartition(".")[2] == name]:
        return f"did you mean {elsewhere[0]}?"
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    names = [other.rpartition(".")[2] for other in siblings]
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return f"did you mean {inner(parent, close[0])}?"
    return f"{parent or 'a recipe'} has {', '.join(names) or 'no keys'}"


def _comment(layer: Layer, key: str) -> Sequence[str]:
    """Return the lines above a key; a name of the user's own has those of the defaults' own."""
    return layer.above.get(key) or layer.above.get(_general(key), ())


def _general(key: str) -> str:
    """Return a key with ``*`` in place of a name of the user's own."""
    for named in NAMED:
        if key.startswith(f"{named}."):
            _, dot, rest = key.removeprefix(f"{named}.").partition(".")
            return f"{named}.*{dot}{rest}"
    return key


def _with_defaults(
    layer: Layer, values: Mapping[str, Any], within: tuple[str, ...] = ("",)
) -> Layer:
    """Return a layer whose comments that end with a type in parentheses also name the default.

    Args:
        values: the defaults.
        within: what the keys begin with whose type stands in this layer.
    """
    above = dict(layer.above)
    for key, value in keys_of(values):
        comment = above.get(key, ())
        if key != _general(key) or not key.startswith(within) or not comment:
            continue
        start = 1 + max(
            (i for i, line in enumerate(comment) if not line or "----" in line), default=-1
        )
        text = " ".join(comment[start:])
        if text.endswith(")"):
            text = f"{text[:-1]}; default {_shown(value)})"
            width = _WIDTH - 2 * key.count(".") - len("# ")
            wrapped = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
            above[key] = [*comment[:start], *wrapped]
    return replace(layer, above=above)


def _shown(value: Any) -> str:
    """Return a default as a comment names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return ", ".join(map(_shown, value)) or "none"
    text = str(value) or "empty"
    return text if len(text) <= _LONGEST_DEFAULT else "the task's own"
