"""Is tuning shown to help in every embedded recipe, from its archive to its verdict?

``make bench name=recipes`` clones the last commit and runs every recipe of ``recipes/embedded`` in
full, one after the other, by ``dvc repro``: the whole interval of tuned minus base, in the metric
that decides, has to lie above zero. They share the clone's DVC cache, so that a base is made once;
its time counts for the first recipe that starts from it.
"""

import json
import math
import tempfile
import time
from pathlib import Path

from benchmarks.parts.table import Figure, conclude
from benchmarks.parts.verify_project import cloned
from testing.places import ROOT
from testing.project import Project
from verdict.core.paths import COMPARE_METRICS, COMPARISON

RECIPES = sorted(path.stem for path in (ROOT / "recipes" / "embedded").glob("*.yaml"))
#: The smallest number above zero that metrics are rounded to.
ABOVE_ZERO = 1e-6


def run_recipe(project: Project, recipe: str) -> list[Figure]:
    """Run a recipe in full; return what tuning changed, and the seconds of ``dvc repro``."""
    project.run("python", "-m", "tools.recipe", "use", f"embedded/{recipe}")
    started = time.monotonic()
    project.dvc("repro")
    seconds = time.monotonic() - started
    read = json.loads((project.root / COMPARE_METRICS).read_text("utf-8"))
    # What is undefined reaches no target.
    compared = {name: math.nan if value is None else value for name, value in read.items()}
    numbers = json.loads((project.root / COMPARISON).read_text("utf-8"))
    project.commit(f"Run {recipe}")
    print(f"{recipe}: {numbers['verdict']}", flush=True)
    return [
        Figure(f"{recipe}: base", compared["base"]),
        Figure(f"{recipe}: tuned", compared["tuned"]),
        Figure(f"{recipe}: tuned minus base", compared["gain"], beside=True),
        Figure(f"{recipe}: lower end of its interval", compared["gain_low"], "", ">=", ABOVE_ZERO),
        Figure("upper end of its interval", compared["gain_high"]),
        Figure("dvc repro", seconds, "s"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        project = cloned(Project(ROOT), str(Path(temporary) / "recipes"))
        figures = [figure for recipe in RECIPES for figure in run_recipe(project, recipe)]
    conclude("embedded recipes in full, by the metric that decides", figures)


if __name__ == "__main__":
    main()
