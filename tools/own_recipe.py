"""Write a recipe for packed data of one's own: an embedded recipe with other files and names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.new_task.params_text import with_entry, with_header
from tools.recipe import MINE
from verdict.core.files import replacing
from verdict.core.yaml12 import dump_yaml

_HEADER = """\
# Your data in {folder}, and the tiny model, at laptop size.
#
#   {command}
#   python -m tools.recipe check     check params.yaml after a change
#
# Made by `{tool}` from {base}. For a real model, take models,
# extract, quantization, model, lora, train, evaluate and reproducibility from recipes/{base_name}.
# Every key stands here with its meaning, type and default.
"""


def write_recipe(
    tool: str, base: str, folder: Path, files: Mapping[str, str], entries: Mapping[str, Any]
) -> str:
    """Write ``recipes/mine/NAME.yaml``, named after ``folder``; a file of this name stays.

    Args:
        tool: the command, for the header.
        base: the embedded recipe that the other keys are taken from.
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
    text = with_header(
        Path(base).read_text(encoding="utf-8"),
        _HEADER.format(
            folder=folder, command=command, tool=tool, base=base, base_name=Path(base).name
        ),
    )
    addresses = {
        key: {"address": (folder / file).as_posix(), "sha256": None} for key, file in files.items()
    }
    for key, value in {
        "fetch.source": "files",
        "fetch.files": addresses,
        "fetch.local": str(folder.absolute()),
        "tracking.experiment": name,
        **entries,
    }.items():
        text = with_entry(text, key, dump_yaml({key.rpartition(".")[2]: value}))
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return f"Wrote {path}; read its question, subgroups and words. {then}"
