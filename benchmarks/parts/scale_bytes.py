"""Do bytes or objects decide how long ``dvc push`` and ``dvc pull`` take?

A part of ``make bench name=scale``: a gigabyte in 30 files, as extract's shards are, and in ten
times as many. Both go to a folder and come back, each byte verified, into a fresh clone with an
empty cache. A push and a pull that find nothing to do show what is DVC's own start, which is taken
off. Compared is the processor time of both ways together, which other work and the page cache
change less.
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
from benchmarks.parts.table import Figure
from testing.places import ROOT

FILES, MEGABYTES, ROUNDS = 30, 1_000, 3
#: Files, by their name.
KINDS = {"few": FILES, "many": 10 * FILES}
_GIT = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")


@dataclass(frozen=True)
class Trip:
    """To a folder and back, without what a command takes that finds nothing to do."""

    push: Time
    pull: Time

    @property
    def cpu(self) -> float:
        return self.push.cpu + self.pull.cpu


def bytes_figures() -> list[Figure]:
    """Take turns over the kinds; return their times, and what more objects cost."""
    rounds = []
    for _ in range(ROUNDS):
        trips = {}
        for kind, files in KINDS.items():
            with tempfile.TemporaryDirectory() as folder:
                trips[kind] = travel(Path(folder), files)
        rounds.append(trips)
    figures = [
        Figure(
            f"{step} of {MEGABYTES / 1000:g} GB in {files} objects, beyond DVC's start",
            statistics.median(getattr(trips[kind], step).seconds for trips in rounds),
            "s",
        )
        for step in ("push", "pull")
        for kind, files in KINDS.items()
    ]
    ratio = statistics.median(trips["many"].cpu / trips["few"].cpu for trips in rounds)
    # Where bytes decide it is 1; where objects do, 10.
    return [*figures, Figure("processor time, many objects over few", ratio, "times", "<=", 1.5)]


def travel(folder: Path, files: int) -> Trip:
    """Push a gigabyte in so many files, and pull it into a clone."""
    origin, clone = folder / "origin", folder / "clone"
    (origin / "data").mkdir(parents=True)
    for number in range(files):
        content = random.Random(number).randbytes(MEGABYTES * 1_000_000 // files)
        (origin / "data" / f"{number:05d}").write_bytes(content)
    run(origin, "git", "init", "--quiet")
    run(origin, "dvc", "init", "--quiet")
    shutil.copy(ROOT / ".dvc" / "config", origin / ".dvc" / "config")
    run(origin, "dvc", "remote", "add", "--quiet", "--default", "folder", str(folder / "remote"))
    # As the project's own remote does; else a pull would be no more than the kernel's copying.
    run(origin, "dvc", "remote", "modify", "--quiet", "folder", "verify", "true")
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
