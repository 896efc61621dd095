"""How much faster is the whole embedded pipeline than in an earlier build, and no worse?

``make bench name=speed`` takes two clones, of the earlier commit and of the last one, and runs
``make repro`` in each in turns, three times, with this environment. Models are in the embedded
recipe's size; an interval is that of balanced accuracy.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.parts.table import Figure, conclude
from benchmarks.repro import clone, measure
from verdict.core.paths import COMPARISON

#: Before the kernels were replaced; ``BEFORE`` names another.
EARLIER = "2690dd4"
ROUNDS = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        earlier, now = (clone(Path(temporary) / name) for name in ("earlier", "now"))
        commit = os.environ.get("BEFORE", EARLIER)
        subprocess.run(["git", "checkout", "--quiet", commit], cwd=earlier, check=True)
        seconds = [(run(earlier), run(now)) for _ in range(ROUNDS)]
        old, new = (numbers(folder) for folder in (earlier, now))
    ratios = [after / before for before, after in seconds]
    before, after = (statistics.median(column) for column in zip(*seconds, strict=True))
    figures = [
        Figure(f"make repro at {commit}", before, "s"),
        Figure("make repro now", after, "s"),
        Figure("now over then, median of rounds", statistics.median(ratios), "", "<=", 0.60),
    ]
    for name in ("base", "tuned"):
        key = f"{name}.balanced_accuracy"
        # As good as then, or better: its interval reaches the earlier value.
        figures.append(Figure(f"balanced accuracy then, {name}", old[key], beside=True))
        figures.append(Figure(f"upper end now, {name}", new[f"{key}_high"], "", ">=", old[key]))
    conclude("the same pipeline, two builds in turns", figures, claimed=commit == EARLIER)


def run(folder: Path) -> float:
    """Return the seconds of a run from nothing."""
    subprocess.run(["git", "clean", "-fdxq", "--exclude=.venv"], cwd=folder, check=True)
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=folder, check=True)
    shutil.rmtree(folder / ".dvc/cache", ignore_errors=True)
    command = ["make", "--quiet", "--assume-old=.venv/.installed", "repro"]
    return measure(command, folder, {}).seconds


def numbers(folder: Path) -> dict[str, Any]:
    return json.loads((folder / COMPARISON).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
