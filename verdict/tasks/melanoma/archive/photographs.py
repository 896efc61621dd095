"""Who is in the synthetic table: patients, their lesions, and a photograph a row."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from verdict.synthetic import drawing
from verdict.synthetic.drawing import Colour
from verdict.tasks.melanoma.archive.options import Embedded

#: Share of images that are a near-duplicate of another one (the real table: 425 of 33,126).
_DUPLICATE_SHARE = 0.015
#: Share of lesions photographed a second time, independently.
_SECOND_VIEW_SHARE = 0.03

_SKIN: tuple[Colour, ...] = (
    (236, 196, 178),
    (228, 184, 160),
    (216, 168, 140),
    (198, 150, 120),
    (176, 128, 100),
)
_SITES = (
    *("torso",) * 10,
    *("lower extremity",) * 5,
    *("upper extremity",) * 3,
    "head/neck",
    "palms/soles",
    "oral/genital",
)


@dataclass(frozen=True)
class Patient:
    """Who was photographed, and the colour of their skin."""

    name: str
    sex: str
    age: int | None
    skin: Colour


@dataclass(frozen=True)
class Photograph:
    """One row of the table, and what it takes to draw its image."""

    name: str
    patient: Patient
    lesion: str
    site: str
    diagnosis: str
    malignant: bool
    lesion_seed: tuple[int, ...]
    view_seed: tuple[int, ...]
    copy_of: "Photograph | None" = field(default=None, repr=False)

    def row(self) -> dict[str, str | int]:
        """Return the cells of both tables, by column."""
        age = self.patient.age
        return {
            "image_name": self.name,
            "patient_id": self.patient.name,
            "lesion_id": self.lesion,
            "sex": self.patient.sex,
            "age_approx": "" if age is None else age,
            "anatom_site_general_challenge": self.site,
            "diagnosis": self.diagnosis,
            "benign_malignant": "malignant" if self.malignant else "benign",
            "target": int(self.malignant),
        }


def make_photographs(options: Embedded) -> list[Photograph]:
    """Return the rows of the table in its order; the share of melanomas is exact."""
    rng = np.random.default_rng([options.seed, 1])
    copies = max(1, round(_DUPLICATE_SHARE * options.images))
    malignant_copies = round(copies * options.positive_share)
    originals = options.images - copies
    malignant = round(options.images * options.positive_share) - malignant_copies
    labels = rng.permutation(np.arange(originals) < malignant).tolist()

    names = _identifiers(rng, "ISIC", options.images)
    lesions = iter(_identifiers(rng, "IL", options.images))
    photographs: list[Photograph] = []
    for patient in _patients(rng, originals):
        first_of_label: dict[bool, Photograph] = {}
        for _ in range(_images_of_a_patient(rng, originals - len(photographs))):
            index = len(photographs)
            label = labels[index]
            photograph = Photograph(
                name=names[index],
                patient=patient,
                lesion=next(lesions),
                site="" if rng.random() < 0.016 else _SITES[int(rng.integers(len(_SITES)))],
                diagnosis=_diagnosis(rng, label),
                malignant=label,
                lesion_seed=(options.seed, 2, index),
                view_seed=(options.seed, 3, index),
            )
            if label in first_of_label and rng.random() < _SECOND_VIEW_SHARE:
                photograph = replace(
                    first_of_label[label], name=photograph.name, view_seed=photograph.view_seed
                )
            first_of_label.setdefault(label, photograph)
            photographs.append(photograph)
        if len(photographs) == originals:
            break

    for label, count in ((True, malignant_copies), (False, copies - malignant_copies)):
        pool = [p for p in photographs[:originals] if p.malignant is label]
        for choice in sorted(rng.choice(len(pool), count, replace=False).tolist()):
            name = names[len(photographs)]
            seed = (options.seed, 4, len(photographs))
            photographs.append(
                replace(pool[choice], name=name, view_seed=seed, copy_of=pool[choice])
            )
    return [photographs[i] for i in rng.permutation(len(photographs)).tolist()]


def _identifiers(rng: np.random.Generator, prefix: str, count: int) -> list[str]:
    numbers = rng.choice(10_000_000, count, replace=False).tolist()
    return [f"{prefix}_{number:07d}" for number in numbers]


def _patients(rng: np.random.Generator, at_most: int) -> Iterator[Patient]:
    for name in _identifiers(rng, "IP", at_most):
        known = rng.random() >= 0.01  # sex and age are missing together, as in the real table
        skin = drawing.shifted(rng, _SKIN[int(rng.integers(len(_SKIN)))], 6)
        age = int(min(90, max(15, 5 * round(10 + 3 * drawing.bell(rng)))))
        sex = ("male", "female")[int(rng.integers(2))]
        yield Patient(name, sex if known else "", age if known else None, skin)


def _images_of_a_patient(rng: np.random.Generator, left: int) -> int:
    """Return 2 to 12, mostly few, and never one image too few for the next patient."""
    uniform = rng.random()
    count = 2 + int(11 * uniform * uniform)
    return left if left - count < 2 else count


def _diagnosis(rng: np.random.Generator, malignant: bool) -> str:
    if malignant:
        return "melanoma"
    return "nevus" if rng.random() < 0.16 else "unknown"
