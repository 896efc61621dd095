"""The whole embedded pipeline in two fresh clones: time, memory, what was learned, same bytes.

``make bench name=repro`` clones the last commit twice (the second time with another locale, time
zone and hash seed), runs ``dvc repro`` in each, and takes every figure from these runs.
"""

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.parts.table import Figure, conclude
from testing.places import ROOT
from verdict.core.paths import COMPARISON, METRICS

ELSEWHERE = {
    "TZ": "Pacific/Kiritimati",
    # Plain ASCII, and no help from Python against it.
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "12345",
}


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and the largest memory of all processes together in GB."""

    seconds: float
    gigabytes: float


def measure(command: list[str], cwd: Path, environment: dict[str, str]) -> Cost:
    """Run a command and watch the resident memory of its whole process tree.

    Shared pages count once a process, so the sum is an upper bound.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment})
    peak = 0
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not finished.wait(0.2):
            try:
                tree = [root, *root.children(recursive=True)]
                peak = max(peak, sum(_resident(member) for member in tree))
            except psutil.NoSuchProcess:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    finished.set()
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code} in {cwd}")
    return Cost(time.monotonic() - started, peak / 1e9)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    # The installed environment is not part of the claim.
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        first = clone(Path(temporary) / "first")
        second = clone(Path(temporary) / "somewhere" / "else")
        # `make repro` with the environment in place: check, run, print the comparison.
        whole = measure(["make", "--quiet", "--assume-old=.venv/.installed", "repro"], first, {})
        again = measure(["dvc", "repro"], first, {})
        measure(["dvc", "repro"], second, ELSEWHERE)
        locks = [(folder / "dvc.lock").read_bytes() for folder in (first, second, ROOT)]
        numbers = json.loads((first / COMPARISON).read_text())
        tuned = json.loads((first / METRICS / "tuned.json").read_text())
    difference = "tuned_minus_base.balanced_accuracy"
    conclude(
        "make repro, embedded melanoma",
        [
            Figure("make repro after installation", whole.seconds, "s", "<=", 300),
            Figure("peak memory, all processes", whole.gigabytes, "GB", "<=", 3),
            Figure("second dvc repro", again.seconds, "s", "<=", 3),
            Figure("test lesions, melanoma", tuned["positives"], "", ">=", 60),
            Figure("test lesions, benign", tuned["n"] - tuned["positives"], "", ">=", 60),
            Figure("balanced accuracy, base", numbers["base.balanced_accuracy"], beside=True),
            Figure("balanced accuracy, tuned", numbers["tuned.balanced_accuracy"], "", ">=", 0.85),
            Figure(
                "balanced accuracy, boosting", numbers["boosting.balanced_accuracy"], beside=True
            ),
            Figure("tuned minus base", numbers[difference], "", ">=", 0.20),
            Figure("lower end of its interval", numbers[f"{difference}_low"], "", ">=", 1e-6),
            Figure("dvc.lock equal in two clones", locks[0] == locks[1], "", "=", 1),
            Figure("dvc.lock equal to the committed one", locks[0] == locks[2], "", "=", 1),
        ],
    )


if __name__ == "__main__":
    main()
