"""What is in the synthetic archive: cases, their images, and the questions about each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from verdict.tasks.medpix_vqa.archive.layout import Split
from verdict.tasks.medpix_vqa.archive.options import Embedded

Side = Literal["left", "right"]

MODALITIES = ("CT", "MRI", "X-ray", "Ultrasound")
PLANES = ("Axial", "Coronal", "Sagittal")
REGIONS = ("Head", "Chest", "Abdomen", "Pelvis")

#: Share of cases with a mass.
_MASS_SHARE = 0.5


@dataclass(frozen=True)
class Scan:
    """One image, and what it takes to draw it.

    Attributes:
        name: file name without suffix; it begins with the case.
        mass: the side of the picture where a mass lies, or None.
        seed: of the drawing.
    """

    name: str
    case: str
    modality: str
    plane: str
    region: str
    mass: Side | None
    questions: tuple[tuple[str, str], ...]
    seed: tuple[int, ...]


def make_scans(options: Embedded) -> dict[Split, list[Scan]]:
    """Return the images of both published splits, in the order of the files."""
    rng = np.random.default_rng([options.seed, 1])
    scans: dict[Split, list[Scan]] = {"train": [], "validation": []}
    validation = round(options.cases * options.validation_share)
    crossing = round(options.cases * options.crossing_share)
    # The kind of each case: crossing ones, then those of validation, then those of training.
    kinds = rng.permutation(options.cases).tolist()
    for number, kind in enumerate(kinds):
        crosses = kind < crossing
        images = list(_images(rng, options.seed, number, at_least=2 if crosses else 1))
        own: Split = "validation" if kind < crossing + validation else "train"
        for index, scan in enumerate(images):
            scans["train" if crosses and index == 0 else own].append(scan)
    return scans


def _images(rng: np.random.Generator, seed: int, number: int, at_least: int) -> Iterator[Scan]:
    """Yield the 1 to 3 images of one case: one region, other modalities and planes."""
    case = f"MPX{1000 + number}"
    region = REGIONS[int(rng.integers(len(REGIONS)))]
    mass: Side | None = None
    if rng.random() < _MASS_SHARE:
        mass = "left" if rng.random() < 0.5 else "right"
    for index in range(int(rng.integers(at_least, 4))):
        modality = MODALITIES[int(rng.integers(len(MODALITIES)))]
        plane = PLANES[int(rng.integers(len(PLANES)))]
        yield Scan(
            name=f"{case}_synpic{10_000 + 3 * number + index}",
            case=case,
            modality=modality,
            plane=plane,
            region=region,
            mass=mass,
            questions=_questions(rng, modality, plane, region, mass),
            seed=(seed, 2, number, index),
        )


def _questions(
    rng: np.random.Generator, modality: str, plane: str, region: str, mass: Side | None
) -> tuple[tuple[str, str], ...]:
    """Return several of the questions that the image answers, and their answers."""
    possible = [
        ("What imaging modality is shown in this image?", modality),
        ("What is the imaging plane?", plane),
        ("Which body region does this image show?", region),
        ("Is a mass visible?", "No" if mass is None else "Yes"),
    ]
    del possible[int(rng.integers(len(possible)))]
    if mass is not None and plane != "Sagittal":  # seen from the side, there is neither
        possible.append(("On which side is the mass?", f"On the {mass} side"))
    return tuple(possible)
