"""Refuse parameters that are not valid before DVC touches a path that one of them names.

DVC removes a stage's outputs before it runs the command, and keys of params.yaml are in the paths
of some: for ``models: {"../../x": …}`` it would remove a folder outside the project.
"""

from verdict.core.files import replacing
from verdict.params import Params
from verdict.paths import CHECKED
from verdict.pipeline.stage import run


def main(_: Params) -> None:
    # Always the same, so that another model does not make the others run again.
    with replacing(CHECKED) as partial:
        partial.write_text("The names in params.yaml are valid.\n", encoding="utf-8")


if __name__ == "__main__":
    run("check", main)
