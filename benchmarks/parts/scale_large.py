"""24-megapixel JPEGs through the stages as ``dvc`` runs them: memory, time, and a kill half-way.

A part of ``make bench name=scale``. Two copies of the project run fetch, extract, split and format
of the same archive. In the second one everything is killed (``kill -9``: DVC, the stage and its
processes, as when a machine goes away) in the middle of extract, and the same command repeated.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.parts.isic_sized import draw, write_archive
from benchmarks.parts.table import Figure
from benchmarks.repro import Cost, measure
from testing.interruption import copy_project, edit, repro
from verdict.tasks.melanoma.archive.layout import FILES

STAGES = ("fetch", "extract", "split", "format")
IMAGES, PICTURES, SIZE = 600, 4, (6000, 4000)
#: As published, in shards small enough that there are some dozens; so few images hold eleven
#: melanomas, enough for a validation split of a fifth.
SETTINGS: dict[str, Any] = {
    "extract.size": 512,
    "extract.shard_megabytes": 1,
    "split.train": 0.6,
    "split.validation": 0.2,
    "split.test": 0.2,
}
#: Shards that are finished when everything is killed.
KILLED_AFTER = 15
#: A line of progress where there is no terminal.
PROGRESS = re.compile(r"extract: ([\d,]+)/([\d,]+) records, ([\d,.]+)/s, (?:([\d,]+) s left|done)")


def large_figures() -> list[Figure]:
    """Run both projects; return what the table shows of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw"
        write_archive(raw, IMAGES, [draw(SIZE, seed) for seed in range(PICTURES)])
        project = project_of(raw, folder / "undisturbed", SETTINGS)
        said = folder / "said"
        try:
            costs = {stage: measure(aloud(stage, said), project, {}) for stage in STAGES}
        except SystemExit:
            print(said.read_text("utf-8"))
            raise
        lasted, promised = times(said.read_text("utf-8"))

        killed = project_of(raw, folder / "killed", SETTINGS)
        repro(killed, "fetch")
        written = kill_half_way(killed)
        started = time.monotonic()
        output = repro(killed, "extract")
        resumed = time.monotonic() - started
        repro(killed, "format")
        kept = re.search(r"resuming: (\d+) of (\d+) shards", output)
        same = (killed / "dvc.lock").read_bytes() == (project / "dvc.lock").read_bytes()
    kind = f"{IMAGES} of 24 megapixels"
    return [
        *(Figure(f"{kind}: {stage}", costs[stage].seconds, "s") for stage in STAGES),
        Figure(f"{kind}: most memory of a stage", most(costs), "GB", "<=", 1),
        Figure(f"{kind}: decoding and writing", lasted, "s"),
        Figure(f"{kind}: as its first line foretold", promised, "s"),
        Figure(f"{kind}: shards finished at kill -9 of everything", written),
        Figure(
            f"{kind}: of these found again", int(kept[1]) if kept else 0, "", "=", float(written)
        ),
        Figure(f"{kind}: extract repeated after that", resumed, "s"),
        Figure(f"{kind}: dvc.lock as without the kill", same, "", "=", 1),
    ]


def project_of(raw: Path, destination: Path, settings: dict[str, Any]) -> Path:
    """Copy the project, and let it fetch a raw folder in SIIM-ISIC's layout."""
    project = copy_project(destination)
    addresses = {
        f"fetch.files.{key}": {"address": str(raw / file), "sha256": None}
        for key, file in FILES.items()
    }
    edit(project, {"fetch.source": "files", "fetch.local": str(raw), **addresses, **settings})
    return project


def most(costs: dict[str, Cost]) -> float:
    return max(cost.gigabytes for cost in costs.values())


def aloud(stage: str, said: Path) -> list[str]:
    """Return the command that runs a stage and adds what it says to a file."""
    return ["sh", "-c", 'exec dvc repro -s "$1" >>"$2" 2>&1', "sh", stage, str(said)]


def times(said: str) -> tuple[float, float]:
    """Return how long extraction took, and how long by the first line that said what was left.

    Both are in seconds and by the lines themselves: what is done, over its rate, is the time.

    Raises:
        SystemExit: there is no such line, or no last one.
    """
    promised = lasted = None
    for done, _, rate, left in PROGRESS.findall(said):
        seconds = float(done.replace(",", "")) / float(rate.replace(",", ""))
        if not left:
            lasted = seconds
        elif promised is None:
            promised = seconds + float(left.replace(",", ""))
    if lasted is None or promised is None:
        raise SystemExit(f"extract showed no time left, or no end:\n{said}")
    return lasted, promised


def kill_half_way(project: Path) -> int:
    """Start extract, kill all of its processes; return how many shards were finished."""
    running = subprocess.Popen(
        ["dvc", "repro", "-s", "extract"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seals = ".checkpoints/extract/*/shard-*.json"
    while sum(1 for _ in project.glob(seals)) < KILLED_AFTER:
        if running.poll() is not None:
            raise SystemExit(f"dvc repro -s extract ended early, with {running.returncode}")
        time.sleep(0.02)
    root = psutil.Process(running.pid)
    family = [root, *root.children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGSTOP)  # None notices that another is gone.
    for process in family:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)
    return sum(1 for _ in project.glob(seals))
