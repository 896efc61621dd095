"""Do bytes or objects decide how long ``dvc push`` and ``dvc pull`` take?

A part of ``make bench name=scale``: a gigabyte in 30 files, as extract's shards are; half of it in
as many files; and all of it in twice as many. Each goes to a folder and comes back into a fresh
clone with an empty cache. A push and a pull that find nothing to do show what is DVC's own start,
which is taken off. Compared is processor time, which other work on the machine changes less.
"""

import os
import random
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.extract import Time, timed
from benchmarks.resume import ROOT
from benchmarks.table import Figure

FILES, MEGABYTES, ROUNDS = 30, 1_000, 3
#: Files and megabytes in all.
KINDS = {
    "shards": (FILES, MEGABYTES),
    "half the bytes": (FILES, MEGABYTES // 2),
    "twice the objects": (2 * FILES, MEGABYTES),
}
_GIT = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")


@dataclass(frozen=True)
class Trip:
    """To a folder and back, without what a command takes that finds nothing to do."""

    push: Time
    pull: Time


def bytes_figures() -> list[Figure]:
    """Take turns over the kinds; return their times beside that of the first."""
    rounds = []
    for _ in range(ROUNDS):
        trips = {}
        for kind, (files, megabytes) in KINDS.items():
            with tempfile.TemporaryDirectory() as folder:
                trips[kind] = travel(Path(folder), files, megabytes)
        rounds.append(trips)

    def ratio(kind: str, step: str) -> float:
        return statistics.median(
            getattr(trips[kind], step).cpu / getattr(trips["shards"], step).cpu for trips in rounds
        )

    # Where bytes decide, half of them take 0.5 of it, twice the objects 1; else 1 and 2.
    return [
        figure
        for step in ("push", "pull")
        for figure in (
            Figure(
                f"{step} of {MEGABYTES / 1000:g} GB in {FILES} objects, beyond DVC's start",
                statistics.median(getattr(trips["shards"], step).seconds for trips in rounds),
                "s",
            ),
            Figure(
                "its processor time",
                statistics.median(getattr(trips["shards"], step).cpu for trips in rounds),
                "s",
            ),
            Figure(
                f"{step}: half the bytes over all", ratio("half the bytes", step), "", "<=", 0.75
            ),
            Figure(
                f"{step}: twice the objects over as many",
                ratio("twice the objects", step),
                "",
                "<=",
                1.25,
            ),
        )
    ]


def travel(folder: Path, files: int, megabytes: int) -> Trip:
    """Push so many files of so many megabytes together, and pull them into a clone."""
    origin, clone = folder / "origin", folder / "clone"
    (origin / "data").mkdir(parents=True)
    for number in range(files):
        content = random.Random(number).randbytes(megabytes * 1_000_000 // files)
        (origin / "data" / f"{number:05d}").write_bytes(content)
    run(origin, "git", "init", "--quiet")
    run(origin, "dvc", "init", "--quiet")
    shutil.copy(ROOT / ".dvc" / "config", origin / ".dvc" / "config")
    run(origin, "dvc", "remote", "add", "--quiet", "--default", "folder", str(folder / "remote"))
    run(origin, "dvc", "add", "--quiet", "data")
    commit(origin)
    push = beyond_start(origin, "push")
    run(folder, "git", "clone", "--quiet", str(origin), str(clone))
    return Trip(push, beyond_start(clone, "pull"))


def beyond_start(project: Path, command: str) -> Time:
    """Return what a command took, without what it takes when it finds nothing to do."""
    first, again = (timed(lambda: run(project, "dvc", command, "--quiet")) for _ in range(2))
    return Time(first.seconds - again.seconds, first.cpu - again.cpu)


def commit(project: Path) -> None:
    run(project, "git", "add", "--all")
    run(project, "git", *_GIT, "commit", "--quiet", "-m", "Measured")


def run(folder: Path, *command: str) -> None:
    # What DVC remembers about files stays in the temporary folder, too, apart for each project.
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(folder / ".dvc" / "site")}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
