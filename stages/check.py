"""Refuse parameters that are not valid before any stage runs, and DVC removes what it had made.

DVC removes a stage's outputs before it runs the command, and keys of params.yaml are in the paths
of some: for ``models: {"../../x": …}`` it would remove a folder outside the project.
"""

from verdict.core.files import replacing
from verdict.core.paths import CHECKED
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.pipeline.validation import validate


def main(_: Params) -> None:
    validate()
    # Always the same, so that another value makes no stage run but those that read it.
    with replacing(CHECKED) as partial:
        partial.write_text("The names in params.yaml are valid.\n", encoding="utf-8")


if __name__ == "__main__":
    run("check", main)
