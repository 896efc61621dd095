"""The recipes of a new task: what both share, and the embedded melanoma recipe's settings."""

from pathlib import Path

from tools.commented_yaml import Layer, text_of
from tools.new_task.labels import Wording
from tools.new_task.template.archive import FILES
from tools.own_recipe import recipe_text

#: What both are derived from.
BASE = "recipes/embedded/melanoma.yaml"

_TASK_HEADER = """\
# {name}: what all its recipes share. Made by `python -m tools.new_task`; a recipe may say
# otherwise, and has every other key from recipes/defaults.yaml."""

_HEADER = """\
# {name}: {what}, and the tiny model, at laptop size.
#
#   make repro recipe={recipe}
#
# Made by `python -m tools.new_task` from {base}; where a comment says
# "published", it means the melanoma system. For a real model, take models, extract, quantization,
# model, lora, train, evaluate and reproducibility from recipes/melanoma.yaml. Every key that may
# stand here: recipes/defaults.yaml and recipes/tasks/{name}.yaml."""

_COMMENTS = {
    "fetch.embedded": ["Coloured shapes in the layout of the real archive."],
    "fetch.embedded.seed": ["Seed of the drawing. (integer)"],
    "fetch.embedded.images": ["Number of records. (integer, 20 to 200000)"],
    "fetch.embedded.images_per_group": ["Records of one group. (integer)"],
    "compare.subgroups": ["Columns of the table."],
}


def task_text(name: str, wording: Wording, folder: Path) -> str:
    """Return the text of ``recipes/tasks/NAME.yaml``.

    Args:
        wording: question and answers.
        folder: where the files of a task's archive are.
    """
    files = {
        key: {"address": (folder / file).as_posix(), "sha256": None} for key, file in FILES.items()
    }
    values = {
        "task": name,
        "fetch": {
            "files": files,
            "embedded": {"seed": 1, "images": 1000, "images_per_group": 3},
        },
        "dataset": {},
        "format": {
            "prompt": wording.prompt,
            "answers": wording.answers,
            "positive": wording.positive,
        },
        "evaluate": {"length_normalization": wording.length_normalization},
        "compare": {"groups_are": "groups", "subgroups": []},
        "tracking": {"experiment": name},
    }
    return text_of(Layer(values, _TASK_HEADER.format(name=name), _COMMENTS))


def embedded_text(name: str) -> str:
    """Return the text of the recipe for the stand-in, ``recipes/embedded/NAME.yaml``."""
    what = "a synthetic stand-in for the images"
    header = _HEADER.format(name=name, what=what, recipe=f"embedded/{name}", base=BASE)
    return recipe_text(Path(BASE), {"task": name}, header)


def files_text(name: str, folder: Path, quarters: bool) -> str:
    """Return the text of the recipe for the images, ``recipes/NAME.yaml``.

    Args:
        quarters: whether to split into quarters, since some label has so few groups that a
            twentieth would hold none of them.
    """
    header = _HEADER.format(name=name, what="your own images", recipe=name, base=BASE)
    shares = {"split.train": 0.5, "split.validation": 0.25, "split.test": 0.25}
    return recipe_text(
        Path(BASE),
        {
            "task": name,
            "fetch.source": "files",
            "fetch.local": str(folder.absolute()),
            **(shares if quarters else {}),
        },
        header,
    )
