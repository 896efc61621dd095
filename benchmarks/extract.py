"""Extraction against the notebook way: same archive, time, quality, memory, bytes.

``make bench name=extract`` makes archives in the layout of SIIM-ISIC: of 24-megapixel JPEGs, and
of 1 to 2 megapixels. The notebook unpacks everything, decodes every image in full, resizes it and
writes a loose JPEG, in one process. Ours is the extract stage's function as it stands, its
processes started anew each time, on two cores. The two take turns, so that a busy machine slows
both; other work still costs two processes more than one, so the ratio by processor time stands
beside. So does ours in one process: two cores that are threads of one, or that wait for the same
memory, do not do twice the work. With ``compute.engine: ray`` the bytes are compared, too, where
Ray is installed.

1,650 large images, because our processes need 0.7 seconds to start, which of 820 images is a 25th
of our time, of so many a 50th, and of the 33,126 that are published a thousandth; and because they
make 120 shards, as many for the one process as for the other.
"""

import argparse
import importlib.util
import io
import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.parts.isic_sized import draw, write_archive
from benchmarks.parts.table import Figure, conclude
from verdict.extraction.extract import extract
from verdict.extraction.images import convert
from verdict.params import Compute
from verdict.params.data import Dicom, Extract
from verdict.records.shards import shard_paths
from verdict.tasks.melanoma.archive.layout import FILES
from verdict.tasks.melanoma.table import Options, read_table

CORES, ROUNDS = 2, 3
#: Sizes of the drawn pictures, and how many images are made of them.
LARGE, SMALL = [(6000, 4000)] * 4, [(1024, 1024), (1280, 960), (1600, 1200), (1920, 1080)] * 2
LARGE_IMAGES, SMALL_IMAGES = 1650, 1600
#: So few that they are no work, and two shards: what remains is the start of the processes.
TINY, TINY_IMAGES = [(64, 64)], 27
#: What is held of the table, and of where its images are, grows with its length alone.
MANY_IMAGES, MANY_SIZE = 400_000, 32
#: As in the published recipe, in shards small enough that there are several.
OPTIONS = Extract(
    size=512,
    fit="pad",
    resample="bilinear",
    format="jpeg",
    quality=95,
    shard_megabytes=1,
    max_megapixels=200,
    max_rejected=0,
    dicom=Dicom(window="file", frame="only"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--large", type=int, default=LARGE_IMAGES, help="24-megapixel images")
    parser.add_argument("--small", type=int, default=SMALL_IMAGES, help="1 to 2 megapixels")
    parser.add_argument("--once", nargs=3, metavar=("RAW", "RECORDS", "SIZE"), help="no more")
    arguments = parser.parse_args()
    if arguments.once:
        raw, records, size = arguments.once
        run(Path(raw), Path(records), Compute(engine="local", workers=CORES), int(size))
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = [draw(size, seed) for seed, size in enumerate(LARGE)]
        small = [draw(size, 100 + seed) for seed, size in enumerate(SMALL)]
        write_archive(folder / "large", arguments.large, large)
        write_archive(folder / "fewer", arguments.large // 3, large)
        write_archive(folder / "small", arguments.small, small)
        write_archive(folder / "tiny", TINY_IMAGES, [draw(size, 200) for size in TINY])
        rounds = range(arguments.rounds)
        larges = [compare(folder, folder / "large", (1, CORES)) for _ in rounds]
        smalls = [compare(folder, folder / "small", (CORES,)) for _ in rounds]
        starts = [time_ours(folder / "tiny", folder, CORES).seconds for _ in rounds]
        peaks = [peak_gigabytes(folder / kind, folder) for kind in ("fewer", "large")]
        write_archive(folder / "many", MANY_IMAGES, [draw(size, 200) for size in TINY])
        peaks.append(peak_gigabytes(folder / "many", folder, MANY_SIZE))
        engines = [Compute(engine="local", workers=count) for count in (1, 2, 4)]
        if importlib.util.find_spec("ray"):
            engines.append(Compute(engine="ray", workers=2))
        same = [shard_bytes(folder / "small", folder, engine) for engine in engines]
    conclude(
        f"extraction to 512 pixels, {CORES} cores, against a notebook in one process",
        [
            Figure("24 megapixels: ours", speed(larges), "images/s"),
            Figure("24 megapixels: ours over notebook", ratio(larges), "", ">=", 6),
            Figure("24 megapixels: the same by processor time", cpu_ratio(larges)),
            Figure("24 megapixels: one process of ours over notebook", ratio(larges, 1)),
            Figure("24 megapixels: two of our processes over one (2 at best)", gain(larges)),
            Figure("24 megapixels: start of our processes, of their time", share(starts, larges)),
            Figure("1 to 2 megapixels: ours", speed(smalls), "images/s"),
            Figure("1 to 2 megapixels: ours over notebook", ratio(smalls), "", ">=", 1.5),
            Figure("1 to 2 megapixels: the same by processor time", cpu_ratio(smalls)),
            Figure("24 megapixels: worst PSNR against a full decode", psnr(large), "dB", ">=", 50),
            Figure("1 to 2 megapixels: worst PSNR against a full decode", psnr(small), "dB"),
            Figure(f"peak memory, {arguments.large // 3} large images", peaks[0], "GB", "<=", 1),
            Figure(f"peak memory, {arguments.large} large images", peaks[1], "GB", "<=", 1),
            Figure(f"peak memory, {MANY_IMAGES:,} tiny images", peaks[2], "GB", "<=", 1),
            Figure(
                f"ways with the same shards: 1, 2, 4 workers{', Ray' * (len(same) > 3)}",
                sum(each == same[0] for each in same),
                "",
                "=",
                len(same),
            ),
        ],
    )


@dataclass(frozen=True)
class Time:
    """Seconds by the clock, and of processor time with that of ended child processes."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Round:
    """What one round took; ours by the number of processes."""

    images: int
    notebook: Time
    ours: dict[int, Time]


def compare(folder: Path, raw: Path, processes: tuple[int, ...]) -> Round:
    """Time the notebook and ours, one after the other."""
    images = len(read_table(raw, Options()).rows)
    by_hand = timed(lambda: notebook(raw, folder / "unpacked", folder / "resized"))
    return Round(images, by_hand, {count: time_ours(raw, folder, count) for count in processes})


def time_ours(raw: Path, folder: Path, count: int) -> Time:
    return timed(lambda: run(raw, folder / "records", Compute(engine="local", workers=count)))


def notebook(raw: Path, unpacked: Path, resized: Path) -> None:
    """Unpack, decode, resize and save as notebooks do."""
    resized.mkdir(exist_ok=True)
    with zipfile.ZipFile(raw / FILES["images"]) as archive:
        archive.extractall(unpacked)
    for path in sorted((unpacked / "train").glob("*.jpg")):
        image = Image.open(path).convert("RGB").resize((512, 512), Image.Resampling.BILINEAR)
        image.save(resized / path.name, quality=95)


def run(raw: Path, destination: Path, compute: Compute, size: int = OPTIONS.size) -> None:
    options = OPTIONS.model_copy(update={"size": size})
    extract(read_table(raw, Options()), options, destination, compute=compute)


def shard_bytes(raw: Path, folder: Path, compute: Compute) -> list[bytes]:
    run(raw, folder / "records", compute)
    return [path.read_bytes() for path in shard_paths(folder / "records")]


def psnr(pictures: list[bytes]) -> float:
    """Return the lowest peak signal-to-noise ratio in dB of our pixels before they are encoded.

    Compared are lossless files: of ours, and of a full decode with an antialiased resize. The
    black border of ``fit: pad``, which both have, is left out.
    """
    options = OPTIONS.model_copy(update={"format": "webp_lossless", "fit": "stretch"})
    worst = float("inf")
    for data in pictures:
        ours = np.asarray(Image.open(io.BytesIO(convert(data, options))), np.float64)
        full = Image.open(io.BytesIO(data)).convert("RGB")
        wanted = np.asarray(full.resize((512, 512), Image.Resampling.BILINEAR), np.float64)
        error = float(((ours - wanted) ** 2).mean())
        worst = min(worst, 10 * np.log10(255**2 / error) if error else float("inf"))
    return worst


def peak_gigabytes(raw: Path, folder: Path, size: int = OPTIONS.size) -> float:
    """Return the resident memory of all processes of an extraction, together, at its highest."""
    from benchmarks.repro import ROOT, measure  # It imports much, which each worker would, too.

    once = ["--once", str(raw), str(folder / "peak"), str(size)]
    return measure([sys.executable, "-m", "benchmarks.extract", *once], ROOT, {}).gigabytes


def timed(work: Callable[[], object]) -> Time:
    started, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Time(time.perf_counter() - started, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def speed(rounds: list[Round]) -> float:
    """Return how many images a second ours does."""
    return statistics.median(each.images / each.ours[CORES].seconds for each in rounds)


def ratio(rounds: list[Round], processes: int = CORES) -> float:
    """Return the median over rounds of how many times as fast ours is."""
    return statistics.median(
        each.notebook.seconds / each.ours[processes].seconds for each in rounds
    )


def cpu_ratio(rounds: list[Round]) -> float:
    """Return the same by processor time an image, which other work changes little."""
    return statistics.median(each.notebook.cpu / each.ours[CORES].cpu for each in rounds)


def gain(rounds: list[Round]) -> float:
    """Return how many times as fast ours is in two processes as in one."""
    return statistics.median(each.ours[1].seconds / each.ours[CORES].seconds for each in rounds)


def share(starts: list[float], rounds: list[Round]) -> float:
    """Return the start of the processes as a share of the time of ours."""
    ours = statistics.median(each.ours[CORES].seconds for each in rounds)
    return statistics.median(starts) / ours


if __name__ == "__main__":
    main()
