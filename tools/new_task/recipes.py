"""Derive a task's recipes from the embedded melanoma one: other data and words, same settings."""

from pathlib import Path
from typing import Any

from tools.new_task import template
from tools.new_task.labels import Wording
from tools.new_task.params_text import with_entry, with_header
from verdict.core.yaml12 import dump_yaml
from verdict.sources.local import NOTHING

#: What both are derived from.
BASE = "recipes/embedded/melanoma.yaml"

_HEADER = """\
# {name}: {what}, and the tiny model, at laptop size.
#
#   make repro recipe={recipe}
#   python -m tools.recipe check           check params.yaml after a change
#
# Made by `python -m tools.new_task` from {base}; where a comment says
# "published", it means the melanoma system. For a real model, take models, extract, quantization,
# model, lora, train, evaluate and reproducibility from recipes/melanoma.yaml. Every key stands here
# with its meaning, type and default.
"""

_EMBEDDED = """\
# The synthetic archive: coloured shapes in the layout of the real one.
embedded:
  # Seed of the drawing. (integer; default 1)
  seed: 1
  # Number of images. (integer, 20 to 200000; default 1000)
  images: 1000
  # Images of one group. (integer; default 3)
  images_per_group: 3
"""


def derive(
    base: str,
    name: str,
    wording: Wording,
    folder: Path,
    source: str,
    quarters: bool = False,
) -> str:
    """Return the text of a recipe.

    Args:
        base: the text of ``BASE``.
        name: the task.
        wording: question and answers.
        folder: where the files of a task's ``template`` are.
        source: ``files`` or ``embedded``.
        quarters: whether to split into quarters, since some label has so few groups that a
            twentieth would hold none of them.
    """
    embedded = source == "embedded"
    header = _HEADER.format(
        name=name,
        what="a synthetic stand-in for the images" if embedded else "your own images",
        recipe=f"embedded/{name}" if embedded else name,
        base=BASE,
    )
    text = with_header(base, header)
    files = {
        key: {"address": (folder / file).as_posix(), "sha256": None}
        for key, file in template.FILES.items()
    }
    shares = {"train": 0.5, "validation": 0.25, "test": 0.25} if quarters else {}
    for key, entry in (
        *((f"split.{split}", _yaml(**{split: share})) for split, share in shares.items()),
        ("task", _yaml(task=name)),
        ("fetch.source", _yaml(source=source)),
        ("fetch.files", _yaml(files=files)),
        ("fetch.local", _yaml(local=NOTHING if embedded else str(folder.absolute()))),
        ("fetch.embedded", _EMBEDDED),
        (
            "dataset",
            f"# How the table is read: the task's own choices; {name} has none.\n"
            "# (mapping; default none)\ndataset: {}",
        ),
        (
            "models.reference.embedded.seed",
            "# Seed of weights and data. (integer; default 4)\nseed: 4",
        ),
        ("format.system", _yaml(system="")),
        ("format.prompt", _yaml(prompt=wording.prompt)),
        ("format.answers", _yaml(answers=wording.answers)),
        (
            "format.positive",
            "# The label that recall, precision and AUROC are about; null with more than two.\n"
            "# (a label or null; default as here)\n" + _yaml(positive=wording.positive),
        ),
        (
            "lora.modules_to_save",
            "# Modules trained whole and saved with the adapter; the tiny model's projector has\n"
            "# seen nothing but shapes. (list of text; default none)\n"
            "modules_to_save:\n  - multi_modal_projector",
        ),
        (
            "evaluate.length_normalization",
            _yaml(length_normalization=wording.length_normalization),
        ),
        (
            "evaluate.validation",
            "# Ask about the validation split too; compare.sensitivity needs it. (true or false;\n"
            "# default false)\nvalidation: false",
        ),
        ("compare.groups_are", _yaml(groups_are="groups")),
        (
            "compare.subgroups",
            "# Attributes of the records to look at apart: columns of the table; small groups get\n"
            "# no interval. (list of names; default none)\nsubgroups: []",
        ),
        (
            "compare.sensitivity",
            "# Sensitivity to reach on the validation split: the threshold that does so is\n"
            "# applied to the test split, beside the likeliest answer; needs two labels and\n"
            "# evaluate.validation. (number above 0 to 1, or null; default null)\n"
            "sensitivity: null",
        ),
        ("tracking.experiment", _yaml(experiment=name)),
    ):
        text = with_entry(text, key, entry)
    return text


def _yaml(**entry: Any) -> str:
    return dump_yaml(entry)
