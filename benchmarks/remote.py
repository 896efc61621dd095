"""Images in the remote: Parquet shards against loose files, by real DVC and the emulated bucket.

``make bench name=remote`` makes up images of 20 kB (random bytes, which nothing can compress),
once as one file each and once in the shards that ``extract`` writes, and pushes and pulls both:
``dvc push`` and ``dvc pull`` as they come, the server on this machine. No network is between, which
is in the loose files' favour: each of them costs a round trip. Then as many images as SIIM-ISIC
has are pushed as shards, and the objects in the bucket counted.
"""

import hashlib
import math
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.table import Figure, conclude
from tests.pipeline.conftest import Project
from tests.pipeline.emulated import ENVIRONMENT, Emulator
from verdict.params_file import read_params
from verdict.records.shards import write_shard

ROOT = Path(__file__).resolve().parent.parent
IMAGE = 20_000  # bytes
TIMED, ALL = 3_000, 33_126
WAYS = ("loose", "shards")


def image(number: int) -> bytes:
    return random.Random(number).randbytes(IMAGE)


def write_loose(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"ISIC_{number:07d}.jpg").write_bytes(image(number))


def write_shards(folder: Path, count: int) -> None:
    """Write shards of the size that the melanoma recipe asks for, each with every n-th image."""
    megabytes = read_params(ROOT / "recipes/melanoma.yaml").extract.shard_megabytes
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


def make_project(root: Path) -> Project:
    """Make a repository with the timed images in both ways, added to DVC and committed."""
    root.mkdir()
    # What DVC remembers about files stays in the temporary folder, too.
    project = Project(root, {**ENVIRONMENT, "DVC_SITE_CACHE_DIR": str(root.parent / "dvc")})
    write_loose(root / "loose", TIMED)
    write_shards(root / "shards", TIMED)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.dvc("init", "--quiet")
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc" / "config")
    project.dvc("add", "--quiet", *WAYS)
    (root / ".gitignore").open("a").write("/.emulator/\n")
    project.commit("Images")
    return project


def seconds(project: Project, *command: str) -> float:
    started = time.monotonic()
    project.dvc(*command)
    return time.monotonic() - started


def equal(first: Path, second: Path) -> bool:
    names = [path.name for path in first.iterdir()]
    return sorted(names) == sorted(path.name for path in second.iterdir()) and all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in names
    )


def objects_of_all(project: Project, emulator: Emulator) -> int:
    """Push all images as shards; return how many objects that adds to the bucket."""
    before = emulator.objects()
    write_shards(project.root / "all", ALL)
    project.dvc("add", "--quiet", "all")
    project.dvc("push", "--quiet", "all")
    return len(emulator.objects() - before)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        origin = make_project(Path(temporary) / "origin")
        clone = Project(Path(temporary) / "clone", origin.environment)
        emulator = Emulator(origin)
        emulator.start()
        try:
            push = {way: seconds(origin, "push", "--quiet", way) for way in WAYS}
            origin.run("git", "clone", "--quiet", str(origin.root), str(clone.root))
            clone.run(*emulator.command)
            pull = {way: seconds(clone, "pull", "--quiet", way) for way in WAYS}
            same = all(equal(origin.root / way, clone.root / way) for way in WAYS)
            loose = len(emulator.objects()) - len(list((origin.root / "shards").iterdir())) - 1
            for way in WAYS:
                shutil.rmtree(origin.root / way)
            total = objects_of_all(origin, emulator)
        finally:
            emulator.kill()
    conclude(
        f"{TIMED:,} images of {IMAGE / 1000:g} kB in an emulated bucket, loose and as shards",
        [
            Figure("push, loose", push["loose"], "s"),
            Figure("push, shards", push["shards"], "s"),
            Figure("push, loose over shards", push["loose"] / push["shards"], "times", ">=", 3),
            Figure("pull, loose", pull["loose"], "s"),
            Figure("pull, shards", pull["shards"], "s"),
            Figure("pull, loose over shards", pull["loose"] / pull["shards"], "times", ">=", 5),
            Figure("what was pulled is byte-identical", same, "", "=", 1),
            Figure(f"objects for {TIMED:,} loose images", loose),
            Figure(f"objects for {ALL:,} images in shards", total, "", "<=", 200),
        ],
    )


if __name__ == "__main__":
    main()
