"""Made-up raw data in the size of SIIM-ISIC 2020: its layout and counts, and pictures to order.

The pictures have the spectrum of skin under a dermatoscope: soft shading, a blot, hairs, and a
sensor's noise. A few are drawn; the others are these under other names, each with a comment of its
own in the JPEG, so that no two files are the same bytes.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from verdict.tasks.melanoma.archive.layout import COLUMNS, FILES

#: What the published table holds: images, patients, melanomas, pairs of duplicates.
IMAGES, PATIENTS, MELANOMAS, DUPLICATES = 33_126, 2_056, 584, 425


def draw(size: tuple[int, int], seed: int, quality: int = 85) -> bytes:
    """Return a JPEG of ``size`` (width, height) pixels; of 24 megapixels some 2 MB."""
    rng = np.random.default_rng(seed)
    width, height = size
    skin = _noise(rng, size, 600, (1, 1, 1)) * 25 + np.array([200, 150, 130], np.float32)
    skin += _noise(rng, size, 40, (0.5, 1, 1)) * 12
    grain = _noise(rng, size, 3, (1, 1, 1), channels=1) * 3
    image = Image.fromarray((skin + grain).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    radius = height // 4
    box = (width // 2 - radius, height // 2 - radius, width // 2 + radius, height // 2 + radius)
    blot = Image.new("RGB", size, (95, 60, 50))
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=170)
    image.paste(blot, mask=mask.resize((width // 16, height // 16)).resize(size))
    for _ in range(12):
        ends = rng.integers(0, min(size), 4).tolist()
        pen.line(ends, fill=(50, 35, 30), width=max(1, height // 500))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def renamed(jpeg: bytes, name: str) -> bytes:
    """Return the same picture as another file: with a comment after its first marker."""
    comment = name.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def write_archive(folder: Path, images: int, pictures: Sequence[bytes]) -> None:
    """Write a raw folder: the pictures under ``images`` names in one ZIP, tables, duplicates.

    With 33,126 images the counts are the published ones; with fewer, their shares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"ISIC_{number * 271:07d}" for number in range(images)]
    with zipfile.ZipFile(folder / FILES["images"], "w", zipfile.ZIP_STORED) as archive:
        for number, name in enumerate(names):
            archive.writestr(f"train/{name}.jpg", renamed(pictures[number % len(pictures)], name))
    rows = list(_rows(names))
    for key, columns in (
        ("ground_truth", COLUMNS),
        ("ground_truth_v2", (*COLUMNS[:2], "lesion_id", *COLUMNS[2:])),
    ):
        with (folder / FILES[key]).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    pairs = max(1, DUPLICATES * images // IMAGES)
    lines = [f"{names[2 * pair]},{names[2 * pair + 1]}" for pair in range(pairs)]
    text = "\n".join(["image_name_1,image_name_2", *lines]) + "\n"
    (folder / FILES["duplicates"]).write_text(text, encoding="utf-8")


def _rows(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield table rows; a patient has from one image to dozens, and melanomas are spread."""
    rng = np.random.default_rng(0)
    patients = max(20, PATIENTS * len(names) // IMAGES)
    melanomas = max(2, round(MELANOMAS * len(names) / IMAGES))
    sizes = 1 + rng.multinomial(len(names) - patients, rng.dirichlet(np.full(patients, 0.8)))
    patient_of = np.repeat(np.arange(patients), sizes)
    malignant = set(rng.choice(len(names), melanomas, replace=False).tolist())
    for number, name in enumerate(names):
        yield {
            "image_name": name,
            "patient_id": f"IP_{patient_of[number]:07d}",
            "lesion_id": f"IL_{number:07d}",
            "sex": ("female", "male")[patient_of[number] % 2],
            "age_approx": "45",
            "anatom_site_general_challenge": "torso",
            "diagnosis": "melanoma" if number in malignant else "nevus",
            "benign_malignant": "malignant" if number in malignant else "benign",
            "target": str(int(number in malignant)),
        }


def _noise(
    rng: np.random.Generator,
    size: tuple[int, int],
    period: int,
    weights: tuple[float, float, float],
    channels: int = 3,
) -> np.ndarray:
    """Return smooth noise (height, width, channels) around 0 with waves of ``period`` pixels."""
    width, height = size
    small = (max(2, height // period + 2), max(2, width // period + 2))
    layers = []
    for weight in weights[:channels]:
        coarse = Image.fromarray(rng.standard_normal(small).astype(np.float32) * weight)
        layers.append(np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)))
    return np.stack(layers, axis=-1)
