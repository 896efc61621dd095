"""A project of 33,126 records, as many as SIIM-ISIC has: time, memory, files, and what DVC takes.

``make bench name=scale`` makes an archive with the published layout and counts (33,126 images of
2,056 patients, 584 melanomas, 425 pairs of duplicates), its pixels small, and lets ``dvc`` run
fetch, extract, split and format in a fresh copy of the project; then it asks ``dvc status``,
pushes to a folder, and pulls into a clone. ``parts/scale_bytes.py`` adds whether bytes or objects
decide how long that takes, ``parts/scale_large.py`` the stages on 24-megapixel images, killed
half-way. ``docs/scale.md`` goes on from the costs a million images.
"""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.extract import cpu_seconds
from benchmarks.parts.isic_sized import IMAGES, draw, write_archive
from benchmarks.parts.scale_bytes import bytes_figures, commit
from benchmarks.parts.scale_large import STAGES, large_figures, most, project_of
from benchmarks.parts.table import Figure, conclude
from benchmarks.repro import Cost, measure

PICTURES, SIZE = 16, (320, 240)
#: As many shards as the published recipe makes: 512 pixels in shards of 256 MB.
SHARDS: dict[str, Any] = {"extract.size": 128, "extract.shard_megabytes": 16}
STATUS_ROUNDS = 7


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw"
        write_archive(raw, IMAGES, [draw(SIZE, seed) for seed in range(PICTURES)])
        project = project_of(raw, folder / "project", SHARDS)
        costs = {stage: measure(["dvc", "repro", "-s", stage], project, {}) for stage in STAGES}
        cpu = cpu_seconds()
        status = statistics.median(seconds(project, "status") for _ in range(STATUS_ROUNDS))
        status_cpu = (cpu_seconds() - cpu) / STATUS_ROUNDS
        remote = folder / "remote"
        seconds(project, "remote", "add", "--default", "--force", "folder", str(remote))
        push = seconds(project, "push", *STAGES)
        objects, files = count(remote), count(project / "data")
        gigabytes = sum(path.stat().st_size for path in remote.rglob("*") if path.is_file()) / 1e9
        copied = seconds_to_copy(remote, folder / "copy")
        pull = seconds_to_pull(project, folder / "clone")
    large = large_figures()
    conclude(
        f"{IMAGES:,} records of {SIZE[0]} × {SIZE[1]} pixels, {len(os.sched_getaffinity(0))} cores",
        [
            *(figure for stage in STAGES for figure in figures(stage, costs[stage])),
            Figure("most memory of a stage", most(costs), "GB", "<=", 1),
            Figure("dvc status after nothing changed", status, "s", "<=", 2),
            Figure("its processor time", status_cpu, "s"),
            Figure("objects in the remote", objects, "", "<=", 200),
            Figure("files in data/", files),
            Figure(f"dvc push of {gigabytes:.2f} GB to a folder", push, "s"),
            Figure("dvc pull of the same into a fresh clone", pull, "s"),
            Figure("the same bytes copied without DVC", copied, "s"),
            *bytes_figures(),
            *large,
        ],
    )


def figures(stage: str, cost: Cost) -> list[Figure]:
    """Return the costs of a stage, also for a million images."""
    return [
        Figure(f"{stage}", cost.seconds, "s"),
        Figure(f"{stage}, a million images", cost.seconds * 1e6 / IMAGES / 3600, "h"),
        Figure(f"{stage}, memory", cost.gigabytes, "GB"),
    ]


def seconds(project: Path, *command: str) -> float:
    started = time.monotonic()
    subprocess.run(["dvc", *command], cwd=project, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def seconds_to_copy(source: Path, destination: Path) -> float:
    started = time.monotonic()
    subprocess.run(["cp", "-r", str(source), str(destination)], check=True)
    return time.monotonic() - started


def seconds_to_pull(project: Path, clone: Path) -> float:
    """Clone the project, pull what its stages wrote; return the seconds of the pull."""
    commit(project)
    subprocess.run(["git", "clone", "--quiet", str(project), str(clone)], check=True)
    pull = seconds(clone, "pull", *STAGES)
    # It ends with an error where anything differs.
    seconds(clone, "status", "--quiet", *STAGES)
    return pull


def count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


if __name__ == "__main__":
    main()
