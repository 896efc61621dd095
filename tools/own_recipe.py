"""Write a recipe for data of one's own: another one's text, with other files and names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.commented_yaml import Layer, read_layer, text_of
from tools.rendering import MINE
from verdict.core.files import replacing
from verdict.params import Params

_HEADER = """\
# Your data in {folder}, and the tiny model, at laptop size.
#
#   {command}
#
# Made by `{tool}` from {base}.
# For a real model take models, extract, quantization, model, lora, train, evaluate and
# reproducibility from recipes/{base_name}.
# Every key that may stand here: recipes/defaults.yaml and recipes/tasks/."""


def recipe_text(base: Path, entries: Mapping[str, Any], header: str) -> str:
    """Return the text of a recipe that says what ``base`` says, but for ``entries``.

    Args:
        base: a recipe, whose comments stay.
        entries: values by the dotted key.
        header: the comment at the very top.
    """
    layer = read_layer(base)
    values = dict(layer.values)
    for key, value in entries.items():
        *parents, name = key.split(".")
        section = values
        for parent in parents:
            section[parent] = dict(section.get(parent, {}))
            section = section[parent]
        section[name] = value
    values = {name: values[name] for name in Params.model_fields if name in values}
    return text_of(Layer(values, header, layer.above, layer.behind))


def write_recipe(
    tool: str, base: str, folder: Path, files: Mapping[str, str], entries: Mapping[str, Any]
) -> str:
    """Write ``recipes/mine/NAME.yaml``, named after ``folder``; a file of this name stays.

    Args:
        tool: the command, for the header.
        base: the embedded recipe that says the rest.
        folder: where the packed files are.
        files: their names by their keys in ``fetch.files``.
        entries: values of further keys, by the dotted key.

    Returns:
        What to do next.
    """
    name = re.sub(r"[^\w.-]+", "-", folder.resolve().name)
    path = MINE / f"{name}.yaml"
    command = f"make repro recipe=mine/{name}"
    then = f"`{command}` runs the pipeline on them, with the tiny model."
    if path.exists():
        return f"{path} is there already and stays as it is; {then}"
    addresses = {
        key: {"address": (folder / file).as_posix(), "sha256": None} for key, file in files.items()
    }
    text = recipe_text(
        Path(base),
        {
            "fetch.source": "files",
            "fetch.files": addresses,
            "fetch.local": str(folder.absolute()),
            "tracking.experiment": name,
            # The task's are those of the published data.
            "terms.data": None,
            **entries,
        },
        _HEADER.format(
            folder=folder, command=command, tool=tool, base=base, base_name=Path(base).name
        ),
    )
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return f"Wrote {path}; read the question, subgroups and words of its task. {then}"
