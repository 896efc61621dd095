"""Extraction of DICOM files against a plain pydicom loop: same slices, same pixels, time, memory.

``make bench name=dicom`` draws CT slices of 512 × 512 pixels and 16 bits, each with a window of its
own. The loop reads a file, applies rescale and window by pydicom's functions, brings the result to
8 bits, resizes it and saves a grey JPEG, in one process. Ours is the extract stage's function as it
stands, on two cores, out of a ZIP archive, to colour JPEGs in Parquet shards; its processes are
started anew each time. The two take turns, so that a busy machine slows both.
"""

import argparse
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from benchmarks.extract import Time, timed
from benchmarks.parts.table import Figure, conclude
from testing.dicom import ct, encoded
from verdict.extraction.extract import extract
from verdict.params import Compute
from verdict.params.data import Dicom, Extract
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import ImageStore

CORES, ROUNDS = 2, 3
SLICES, SIDE = 1000, 512
#: Half of what MedGemma sees, so that something is resized.
SIZE = 448
OPTIONS = Extract(
    size=SIZE,
    fit="pad",
    resample="bilinear",
    format="jpeg",
    quality=95,
    shard_megabytes=4,
    max_megapixels=200,
    max_rejected=0,
    dicom=Dicom(window="file", frame="only"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dicom", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--once", nargs=2, type=Path, metavar=("ZIP", "RECORDS"), help="no more")
    arguments = parser.parse_args()
    if arguments.once:
        run(*arguments.once)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder, arguments.slices)
        rounds = [
            (timed(lambda: loop(folder)), timed(lambda: run(folder / "a.zip", folder / "records")))
            for _ in range(arguments.rounds)
        ]
        same = equal(folder)
        peak = peak_gigabytes(folder)
    conclude(
        f"{arguments.slices:,} DICOM slices of {SIDE} × {SIDE} to {SIZE} pixels, {CORES} cores",
        [
            Figure("ours", median(arguments.slices / b.seconds for _, b in rounds), "/s"),
            Figure("ours over a pydicom loop in one process", ratio(rounds), "", ">=", 2),
            Figure("the same by processor time", ratio(rounds, "cpu")),
            Figure("slices with the loop's pixels", same, "", "=", arguments.slices),
            Figure("peak memory of all processes", peak, "GB", "<=", 1),
        ],
    )


def draw(folder: Path, slices: int) -> None:
    """Write slices as loose files for the loop, and as an archive for ours."""
    (folder / "files").mkdir()
    rng = np.random.default_rng(21)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(slices):
            coarse = Image.fromarray(rng.normal(1050, 300, (24, 24)).astype(np.float32))
            smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            noisy = np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 4095).astype(np.uint16)
            center, width = float(rng.integers(-600, 400)), float(rng.integers(80, 2000))
            data = encoded(ct(noisy, BitsStored=12, WindowCenter=center, WindowWidth=width))
            (folder / "files" / f"{number:05d}.dcm").write_bytes(data)
            archive.writestr(f"{number:05d}.dcm", data)


def loop(folder: Path) -> None:
    """Window, resize and save as scripts do."""
    (folder / "jpegs").mkdir(exist_ok=True)
    for path in sorted((folder / "files").iterdir()):
        header = pydicom.dcmread(path)
        shades = apply_voi_lut(apply_modality_lut(header.pixel_array, header), header)
        # pydicom leaves them in the range of the values that can be stored.
        black = header.RescaleIntercept
        white = (2**header.BitsStored - 1) * header.RescaleSlope + header.RescaleIntercept
        grey = np.rint((shades - black) / (white - black) * 255).astype(np.uint8)
        image = Image.fromarray(grey).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        image.save(folder / "jpegs" / f"{path.stem}.jpg", quality=95)


def run(archive: Path, records: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        names = [Path(name).stem for name in file.namelist()]
    rows = [RawRow(name, name, "benign", image=name) for name in names]
    table = RawTable(rows, images=ZipImages(archive))
    extract(table, OPTIONS, records, compute=Compute(engine="local", workers=CORES))


def equal(folder: Path) -> int:
    """Return how many slices have the same pixels in the records and in the loop's files."""
    store = ImageStore(folder / "records")
    return sum(
        np.array_equal(
            np.asarray(Image.open(io.BytesIO(store[path.stem]))),
            np.asarray(Image.open(path).convert("RGB")),
        )
        for path in (folder / "jpegs").iterdir()
    )


def peak_gigabytes(folder: Path) -> float:
    """Return the resident memory of all processes of an extraction, together, at its highest."""
    from benchmarks.repro import ROOT, measure  # It imports much, which each worker would, too.

    once = ["--once", str(folder / "a.zip"), str(folder / "peak")]
    return measure([sys.executable, "-m", "benchmarks.dicom", *once], ROOT, {}).gigabytes


def ratio(rounds: list[tuple[Time, Time]], what: str = "seconds") -> float:
    """Return the median over rounds of how many times as fast ours is."""
    return median(getattr(a, what) / getattr(b, what) for a, b in rounds)


if __name__ == "__main__":
    main()
