"""Images in the remote: Parquet shards against loose files, by real DVC and the emulated bucket.

``make bench name=remote`` makes up images of 20 kB (random bytes, which nothing can compress),
once as one file each and once in the shards that ``extract`` writes, and pushes and pulls both:
``dvc push`` and ``dvc pull`` as they come, the server on this machine. No network is between, which
is in the loose files' favour: each of them costs a round trip. The two take turns; each time each
has a project, a bucket and a clone of its own, so that neither looks through the other's objects.
Of the time that shards take, most is the start of DVC: a push that finds nothing to do shows it.
Other work on the machine makes that longer, so the ratio by DVC's processor time stands beside.
Then as many images as SIIM-ISIC has are pushed as shards, and the objects in the bucket counted.
"""

import hashlib
import math
import random
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.extract import Time, timed
from benchmarks.parts.table import Figure, conclude
from testing.emulator import ENVIRONMENT, Emulator
from testing.places import ROOT
from testing.project import Project
from tools.rendering import read_recipe
from verdict.records.shards import write_shard

IMAGE = 20_000  # bytes
TIMED, ALL = 3_000, 33_126
ROUNDS = 5


def image(number: int) -> bytes:
    return random.Random(number).randbytes(IMAGE)


def write_loose(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"ISIC_{number:07d}.jpg").write_bytes(image(number))


def write_shards(folder: Path, count: int) -> None:
    """Write shards of the size that the melanoma recipe asks for, each with every n-th image."""
    megabytes = read_recipe(ROOT / "recipes/melanoma.yaml").extract.shard_megabytes
    shards = math.ceil(count * IMAGE / (megabytes * 2**20))
    folder.mkdir()
    for index in range(shards):
        path = folder / f"shard-{index:05d}-of-{shards:05d}.parquet"
        write_shard(path, _rows(range(index, count, shards)))


def _rows(numbers: range) -> Iterator[dict[str, Any]]:
    for number in numbers:
        content = image(number)
        yield {
            "id": f"ISIC_{number:07d}",
            "group": f"IP_{number // 16:07d}",
            "image": {"bytes": content, "path": None},
            "label": "benign",
            "attributes": "{}",
            "sha256": hashlib.sha256(content).hexdigest(),
            "row": number,
        }


WAYS = {"loose": write_loose, "shards": write_shards}


def make_project(root: Path, way: str, count: int) -> Project:
    """Make a repository with images in one way, added to DVC and committed."""
    root.mkdir(parents=True)
    # What DVC remembers about files stays in the temporary folder, too.
    project = Project(root, {**ENVIRONMENT, "DVC_SITE_CACHE_DIR": str(root.parent / "dvc")})
    WAYS[way](root / way, count)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.dvc("init", "--quiet")
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc" / "config")
    project.dvc("add", "--quiet", way)
    (root / ".gitignore").open("a").write("/.emulator/\n")
    project.commit("Images")
    return project


@contextmanager
def bucket(project: Project) -> Iterator[Emulator]:
    """Give the project an empty bucket, for as long as the context lasts."""
    emulator = Emulator(project)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.kill()


@dataclass(frozen=True)
class Trip:
    """What it took to push and pull images in one way.

    ``again`` is a push that finds nothing to do; ``same``: whether what was pulled is what was
    pushed.
    """

    push: Time
    again: Time
    pull: Time
    objects: int
    same: bool

    @property
    def described(self) -> str:
        return f"push {self.push.seconds:.1f} s, pull {self.pull.seconds:.1f} s"


def travel(folder: Path, way: str) -> Trip:
    """Push the images into an empty bucket, and pull them into a fresh clone."""
    origin = make_project(folder / "origin", way, TIMED)
    clone = Project(folder / "clone", origin.environment)
    with bucket(origin) as emulator:
        push, again = (time_dvc(origin, "push", way) for _ in range(2))
        origin.run("git", "clone", "--quiet", str(origin.root), str(clone.root))
        clone.run(*emulator.command)
        pull = time_dvc(clone, "pull", way)
        same = equal(origin.root / way, clone.root / way)
        return Trip(push, again, pull, len(emulator.objects()), same)


def compare(number: int) -> dict[str, Trip]:
    """Let each way travel once, the other one first in each second round."""
    trips = {}
    for way in sorted(WAYS, reverse=number % 2 == 1):
        with tempfile.TemporaryDirectory() as folder:
            trips[way] = travel(Path(folder), way)
        print(f"round {number + 1}, {way}: {trips[way].described}", flush=True)
    return trips


def time_dvc(project: Project, command: str, way: str) -> Time:
    """Time a command of DVC's; the emulator is another process, whose work does not count."""
    return timed(lambda: project.dvc(command, "--quiet", way))


def equal(first: Path, second: Path) -> bool:
    names = [path.name for path in first.iterdir()]
    return sorted(names) == sorted(path.name for path in second.iterdir()) and all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in names
    )


def objects_of_all() -> int:
    """Push all images as shards; return how many objects are in the bucket then."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "origin", "shards", ALL)
        with bucket(project) as emulator:
            project.dvc("push", "--quiet")
            return len(emulator.objects())


def main() -> None:
    rounds = [compare(number) for number in range(ROUNDS)]
    total = objects_of_all()

    def median(way: str, step: str) -> float:
        return statistics.median(getattr(trips[way], step).seconds for trips in rounds)

    def ratio(step: str, of: str) -> float:
        return statistics.median(
            getattr(getattr(trips["loose"], step), of) / getattr(getattr(trips["shards"], step), of)
            for trips in rounds
        )

    trips = [trip for trips in rounds for trip in trips.values()]
    conclude(
        f"{TIMED:,} images of {IMAGE / 1000:g} kB in an emulated bucket, loose and as shards, "
        f"medians of {ROUNDS} rounds",
        [
            Figure("push, loose", median("loose", "push"), "s"),
            Figure("push, shards", median("shards", "push"), "s"),
            Figure("of that to find nothing to do", median("shards", "again"), "s"),
            Figure("push, loose over shards", ratio("push", "seconds"), "times", ">=", 3),
            Figure("the same by processor time", ratio("push", "cpu"), "times"),
            Figure("pull, loose", median("loose", "pull"), "s"),
            Figure("pull, shards", median("shards", "pull"), "s"),
            Figure("pull, loose over shards", ratio("pull", "seconds"), "times", ">=", 5),
            Figure("the same by processor time", ratio("pull", "cpu"), "times"),
            Figure(
                "trips that end byte-identical",
                sum(trip.same for trip in trips),
                "",
                "=",
                len(trips),
            ),
            Figure(f"objects for {TIMED:,} loose images", rounds[0]["loose"].objects),
            Figure(f"objects for {ALL:,} images in shards", total, "", "<=", 200),
        ],
    )


if __name__ == "__main__":
    main()
