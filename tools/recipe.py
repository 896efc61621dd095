"""Choose a recipe: list them, render one as params.yaml, or check params.yaml.

    python -m tools.recipe                       list the recipes, and say which one is in use
    python -m tools.recipe use embedded/melanoma switch to it (make repro recipe=… does it too)
    python -m tools.recipe check                 check params.yaml; says nothing if it is valid.
                                                 Removes locks of DVC's that a kill has left cut

A recipe says only what is its own; `use` lays it over recipes/defaults.yaml. Switching loses
nothing: an edited params.yaml is first kept under recipes/mine/, and from there it can be used like
any other recipe.
"""

import subprocess
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tools.leftovers import Leftover, leftovers
from tools.rendering import MINE, RECIPES, find, read_recipe, recipe_values, recipes, render
from tools.rwlock import remove_cut
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.core.paths import PARAMS_FILE
from verdict.core.yaml12 import dump_yaml, load_yaml
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.pipeline.command import command, parser_of
from verdict.pipeline.validation import check_task, validate
from verdict.sources.local import check_there

#: A key with its old and new value, as they are shown.
Change = tuple[str, str, str]
_ABSENT = "(none)"
_WIDTH = 100  # characters in a line
_LONGEST_VALUE = 40  # characters


def validate_recipe(path: Path) -> Params:
    """Check what a recipe renders to.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    return check_task(read_recipe(path), path)


def use(name: str) -> str:
    """Make a recipe the params.yaml in use, and return what was done, for a person.

    An edited params.yaml is kept first. Then what the former recipe left for models that this one
    does not evaluate is removed: DVC would take it for this recipe's, since ``compare`` depends on
    the whole folder of predictions.

    Raises:
        VerdictError: there is no such recipe, it is not valid, or something of the former recipe
            could not be brought back; nothing has been changed then.
    """
    path = find(name)
    params = validate_recipe(path)
    name = path.relative_to(RECIPES).with_suffix("").as_posix()
    old = PARAMS_FILE.read_bytes() if PARAMS_FILE.exists() else b""
    new = render(path).encode()
    stale = leftovers([*params.evaluate.models, *params.baselines], name, params.outside)

    said = [f"params.yaml is {name} already." if old == new else f"params.yaml is now {name}."]
    if old and old != new:
        said += describe(differences(_values(old), _values(new)))
        said.append(_kept(old))
    for leftover in stale:
        leftover.remove()
    if stale:
        said.append(_removed(stale, name))
    if old != new:
        with replacing(PARAMS_FILE) as partial:
            partial.write_bytes(new)
    return "\n".join(said)


def _kept(old: bytes) -> str:
    """Keep the former params.yaml if it is nowhere else, and say how to get it back."""
    same = [name for name, values in _of_recipes().items() if values == _values(old)]
    same = [name for name in same if render(find(name)).encode() == old]
    if same:
        return f"Back: python -m tools.recipe use {same[0]}"
    if old == _committed():
        return f"Back: git checkout HEAD -- {PARAMS_FILE}"
    place = next(place for n in count(1) if not (place := MINE / f"params-{n}.yaml").exists())
    with replacing(place) as partial:
        partial.write_bytes(old)
    return (
        f"Your edited params.yaml is kept as {place} (commit it, if it is worth keeping).\n"
        f"Back: python -m tools.recipe use mine/{place.stem}"
    )


def _committed() -> bytes | None:
    """Return params.yaml as the last commit has it; None without git or without a commit."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{PARAMS_FILE}"], capture_output=True)
    except FileNotFoundError:
        return None
    return shown.stdout if shown.returncode == 0 else None


def _removed(stale: Sequence[Leftover], name: str) -> str:
    text = (
        f"Removed, since {name} does not evaluate these models and sets: "
        f"{', '.join(str(leftover.path) for leftover in stale)}. They are in DVC's cache"
        f"{' or in git' if any(leftover.committed for leftover in stale) else ''}: switch back and "
        "run `dvc repro`, and they are here again."
    )
    return "\n".join(textwrap.wrap(text, _WIDTH, break_on_hyphens=False))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the keys whose values differ, in the order of ``new``, then those that are gone."""
    before, after = _flat(old), _flat(new)
    return [
        (key, _shown(before.get(key, _ABSENT)), _shown(after.get(key, _ABSENT)))
        for key in [*after, *(key for key in before if key not in after)]
        if key not in before or key not in after or before[key] != after[key]
    ]


def describe(changes: Iterable[Change]) -> list[str]:
    """Return the changes as lines, one paragraph for each section of params.yaml."""
    lines = []
    sections: dict[str, list[str]] = {}
    for key, old, new in changes:
        section, _, rest = key.partition(".")
        sections.setdefault(section, []).append(f"{rest or key}: {old} → {new}")
    for section, shown in sections.items():
        wrapped = textwrap.wrap(
            # A change is not broken: its spaces are others while the text is wrapped.
            "; ".join(change.replace(" ", "\N{NO-BREAK SPACE}") for change in shown),
            _WIDTH,
            initial_indent=f"  {section:<16}",
            subsequent_indent=" " * 18,
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines += [line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped]
    return lines


def _flat(values: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(values, Mapping) or not values:
        return {path: values} if path else {}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{path}.{key}" if path else str(key))
    return flat


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return _ABSENT
    text = dump_yaml(value, flow=True, width=10**6).strip()
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _values(content: bytes) -> dict[str, Any]:
    """Return a params file's values; none if it cannot be read, since it may be a broken edit."""
    try:
        values = load_yaml(content, PARAMS_FILE)
    except VerdictError:
        return {}
    return values if isinstance(values, dict) else {}


def _of_recipes() -> dict[str, dict[str, Any]]:
    """Return the values of each recipe; none of one that cannot be read, such as a broken edit."""
    found = {}
    for name, path in recipes().items():
        try:
            found[name] = recipe_values(path)
        except VerdictError:
            found[name] = {}
    return found


def in_use() -> str:
    """Say which recipe params.yaml is, or in what it differs from the one that it is nearest to."""
    if not PARAMS_FILE.exists():
        return "There is no params.yaml; python -m tools.recipe use NAME makes it."
    values = _values(PARAMS_FILE.read_bytes())
    found = {name: differences(known, values) for name, known in _of_recipes().items()}
    nearest = min(found, key=lambda name: len(found[name]))
    if not found[nearest]:
        return f"params.yaml is {nearest}."
    return "\n".join(
        [f"params.yaml is edited; it differs from {nearest} in", *describe(found[nearest])]
    )


def listing() -> str:
    """Return a line for each recipe: its name, task, models and method."""
    rows = [("recipe", "task", "models", "method")]
    for name, path in recipes().items():
        try:
            params = read_recipe(path)
        except VerdictError:
            rows.append((name, f"not valid: python -m tools.recipe use {name} says why", "", ""))
        else:
            rows.append((name, params.task, _models(params), _method(params)))
    widths = [max(len(row[i]) for row in rows if row[3]) for i in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip()
        for row in rows
    )


def _models(params: Params) -> str:
    names = (
        f"tiny {model.embedded.architecture}"
        if model.name == EMBEDDED and model.embedded
        else model.name.partition("/")[2]
        for model in params.models.values()
    )
    return ", ".join(dict.fromkeys(names))


def _method(params: Params) -> str:
    if params.train.method == "full":
        method = "every weight"
    else:
        kind = "DoRA" if params.lora.use_dora else "LoRA"
        quantized = "Q" if params.quantization.load_in_4bit else ""
        method = f"{quantized}{kind}, rank {params.lora.r}"
    return method + (", classifier" if params.model.task == "classify" else "")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("tools.recipe", __doc__)
    commands = parser.add_subparsers(dest="command", metavar="use, check")
    switch = commands.add_parser("use", help="switch params.yaml to a recipe")
    switch.add_argument("name", metavar="NAME", help="such as melanoma or embedded/melanoma")
    commands.add_parser("check", help="check params.yaml")
    chosen = parser.parse_args(arguments)
    with command("recipe", interrupted="interrupted; run it again"):
        if chosen.command == "use":
            print(use(chosen.name))
        elif chosen.command == "check":
            params = validate(PARAMS_FILE)
            check_there(params.fetch)
            for name, entry in params.outside.items():
                check_there(entry.fetch, f"outside.{name}.")
            if said := remove_cut():
                print(said, flush=True)
        else:
            print(f"{listing()}\n\n{in_use()}")


if __name__ == "__main__":
    main()
