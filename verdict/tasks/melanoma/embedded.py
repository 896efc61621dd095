"""A synthetic archive in the layout of SIIM-ISIC 2020, so that the pipeline runs offline.

The lesions are drawn, not photographed, and stand for nothing clinical: benign and malignant ones
differ, with overlap, in what the ABCD rule looks at (asymmetry, border, colour, diameter).
Patients have several images, some of both labels; some images are near-duplicates of others.
The same options give the same bytes on every x86-64 machine.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from verdict.errors import VerdictError
from verdict.tasks import drawing
from verdict.tasks.drawing import Colour

ARCHIVE = "ISIC_2020_Training_JPEG.zip"
TABLE = "ISIC_2020_Training_GroundTruth.csv"
TABLE_V2 = "ISIC_2020_Training_GroundTruth_v2.csv"
DUPLICATES = "ISIC_2020_Training_Duplicates.csv"

#: Share of images that are a near-duplicate of another one (the real table: 425 of 33,126).
_DUPLICATE_SHARE = 0.015
#: Share of lesions photographed a second time, independently.
_SECOND_VIEW_SHARE = 0.03
#: Share of lesions that look like the other label. It bounds what any model can reach.
_ATYPICAL_SHARE = 0.03

_SKIN: tuple[Colour, ...] = (
    (236, 196, 178),
    (228, 184, 160),
    (216, 168, 140),
    (198, 150, 120),
    (176, 128, 100),
)
_BROWNS: tuple[Colour, ...] = ((150, 100, 72), (128, 82, 58), (108, 66, 46), (140, 86, 66))
#: Black, blue-grey, red, white-pink and tan: the colours that make a lesion variegated.
_OTHERS: tuple[Colour, ...] = (
    (38, 30, 32),
    (86, 96, 128),
    (164, 60, 62),
    (214, 178, 172),
    (186, 136, 84),
)
_SITES = (
    *("torso",) * 10,
    *("lower extremity",) * 5,
    *("upper extremity",) * 3,
    "head/neck",
    "palms/soles",
    "oral/genital",
)
#: Width to height of the cameras in use.
_RATIOS = (1.0, 4 / 3, 4 / 3, 3 / 2)


@dataclass(frozen=True)
class EmbeddedMelanoma:
    """What the synthetic archive holds.

    seed: any whole number; another one gives other patients and other lesions.
    images: how many images, near-duplicates included; at least 50.
    positive_share: share of melanomas among them, 0.02 to 0.30 (the real archive has 0.018).
    """

    seed: int
    images: int
    positive_share: float

    def __post_init__(self) -> None:
        if self.images < 50:
            raise VerdictError(
                f"The synthetic melanoma archive needs at least 50 images, not {self.images}: "
                "raise its number of images in params.yaml."
            )
        if not 0.02 <= self.positive_share <= 0.30:
            raise VerdictError(
                "The synthetic melanoma archive takes a share of melanomas from 0.02 to 0.30, "
                f"not {self.positive_share}: change its positive_share in params.yaml."
            )


@dataclass(frozen=True)
class _Patient:
    name: str
    sex: str
    age: int | None
    skin: Colour


@dataclass(frozen=True)
class _Photograph:
    """One row of the table, and what it takes to draw its image."""

    name: str
    patient: _Patient
    lesion: str
    site: str
    diagnosis: str
    malignant: bool
    lesion_seed: tuple[int, ...]
    view_seed: tuple[int, ...]
    copy_of: "_Photograph | None" = field(default=None, repr=False)

    def row(self) -> dict[str, str | int]:
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


def write_archive(folder: Path, options: EmbeddedMelanoma) -> None:
    """Write a synthetic archive into ``folder``, which is made if it is not there.

    The files are those of SIIM-ISIC 2020: the JPEGs in one ZIP under ``train/``, the table, the
    table with lesions, and the list of near-duplicates, comma-separated with CRLF line ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photographs = _photographs(options)
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        for name, content in _jpegs(photographs, options.seed):
            member = zipfile.ZipInfo(f"train/{name}.jpg", date_time=(2020, 8, 1, 0, 0, 0))
            member.create_system = 3  # Unix, whatever this runs on
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)

    rows = [photograph.row() for photograph in photographs]
    columns = list(rows[0])
    _write_csv(folder / TABLE, [c for c in columns if c != "lesion_id"], rows)
    _write_csv(folder / TABLE_V2, columns, rows)
    pairs = sorted(
        sorted((photograph.name, photograph.copy_of.name))
        for photograph in photographs
        if photograph.copy_of
    )
    names = ["image_name_1", "image_name_2"]
    _write_csv(folder / DUPLICATES, names, [dict(zip(names, p, strict=True)) for p in pairs])


def _write_csv(
    path: Path, columns: Sequence[str], rows: Sequence[dict[str, str | int]] | list[dict[str, str]]
) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


# ---- who is in the table -------------------------------------------------------------------


def _photographs(options: EmbeddedMelanoma) -> list[_Photograph]:
    """Return the rows of the table in its order; the share of melanomas is exact."""
    rng = np.random.default_rng([options.seed, 1])
    copies = max(1, round(_DUPLICATE_SHARE * options.images))
    malignant_copies = round(copies * options.positive_share)
    originals = options.images - copies
    malignant = round(options.images * options.positive_share) - malignant_copies
    labels = rng.permutation(np.arange(originals) < malignant).tolist()

    names = _identifiers(rng, "ISIC", options.images)
    lesions = iter(_identifiers(rng, "IL", options.images))
    photographs: list[_Photograph] = []
    for patient in _patients(rng, originals):
        first_of_label: dict[bool, _Photograph] = {}
        for _ in range(_images_of_a_patient(rng, originals - len(photographs))):
            index = len(photographs)
            label = labels[index]
            photograph = _Photograph(
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


def _patients(rng: np.random.Generator, at_most: int) -> Iterator[_Patient]:
    for name in _identifiers(rng, "IP", at_most):
        known = rng.random() >= 0.01  # sex and age are missing together, as in the real table
        skin = drawing.shifted(rng, _SKIN[int(rng.integers(len(_SKIN)))], 6)
        age = int(min(90, max(15, 5 * round(10 + 3 * drawing.bell(rng)))))
        sex = ("male", "female")[int(rng.integers(2))]
        yield _Patient(name, sex if known else "", age if known else None, skin)


def _images_of_a_patient(rng: np.random.Generator, left: int) -> int:
    """Return 2 to 12, mostly few, and never one image too few for the next patient."""
    uniform = rng.random()
    count = 2 + int(11 * uniform * uniform)
    return left if left - count < 2 else count


def _diagnosis(rng: np.random.Generator, malignant: bool) -> str:
    if malignant:
        return "melanoma"
    return "nevus" if rng.random() < 0.16 else "unknown"


# ---- what the images show ------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    """What the ABCD rule looks at: 0 is the plainest lesion, 1 a strongly marked one."""

    asymmetry: float
    border: float
    colours: int
    diameter: float


def _look(rng: np.random.Generator, malignant: bool) -> _Look:
    if rng.random() < _ATYPICAL_SHARE:
        malignant = not malignant
    means = (0.70, 0.70, 0.72) if malignant else (0.20, 0.18, 0.32)
    asymmetry, border, diameter = (
        min(1.0, max(0.0, mean + 0.15 * drawing.bell(rng))) for mean in means
    )
    number = (1, 2, 2, 3, 3, 3, 3, 4, 4, 4) if malignant else (0, 0, 0, 0, 0, 0, 0, 0, 1, 1)
    return _Look(asymmetry, border, number[int(rng.integers(len(number)))], diameter)


def _jpegs(photographs: Sequence[_Photograph], seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield each image's name and JPEG in the order of names."""
    grain = drawing.Grain(np.random.default_rng([seed, 5]), strength=9)
    for photograph in sorted(photographs, key=lambda p: p.name):
        original = photograph.copy_of
        if original is None:
            yield photograph.name, _encoded(_drawn(photograph, grain), quality=90)
            continue
        source = Image.open(io.BytesIO(_encoded(_drawn(original, grain), quality=90)))
        copy = _altered(np.random.default_rng(photograph.view_seed), source)
        yield photograph.name, _encoded(copy, quality=84)


def _encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _altered(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Return a near-duplicate: the image as it is, mirrored, or cropped by a few pixels."""
    kind = int(rng.integers(3))
    if kind == 0:
        return image
    if kind == 1:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left, top, right, bottom = (int(v) for v in rng.integers(1, 5, 4))
    return image.crop((left, top, image.width - right, image.height - bottom))


def _drawn(photograph: _Photograph, grain: drawing.Grain) -> Image.Image:
    """Draw one photograph: the lesion by its own seed, the camera's view by another."""
    rng = np.random.default_rng(photograph.view_seed)
    short = int(rng.integers(96, 181))
    size = (round(short * _RATIOS[int(rng.integers(len(_RATIOS)))]), short)
    centre = (
        size[0] / 2 + short * 0.04 * drawing.bell(rng),
        size[1] / 2 + short * 0.04 * drawing.bell(rng),
    )
    skin = drawing.shifted(rng, photograph.patient.skin, 3)
    image = drawing.mottled(rng, size, skin, 8)
    turn = int(rng.integers(drawing.TURN))
    layer, mask = _lesion(photograph, skin, size, centre, turn)
    image.paste(layer, mask=mask)
    _draw_hairs(rng, image)
    if rng.random() < 0.25:
        image = _vignetted(image)
    return grain.add_to(rng, image)


def _lesion(
    photograph: _Photograph,
    skin: Colour,
    size: tuple[int, int],
    centre: tuple[float, float],
    turn: int,
) -> tuple[Image.Image, Image.Image]:
    """Return the lesion's colours over the whole frame, and its soft-edged mask."""
    rng = np.random.default_rng(photograph.lesion_seed)
    look = _look(rng, photograph.malignant)
    radius = size[1] * (0.16 + 0.24 * look.diameter)
    base = drawing.shifted(rng, _BROWNS[int(rng.integers(len(_BROWNS)))], 8)
    base = drawing.clamp([0.75 * b + 0.25 * b * s / 200 for b, s in zip(base, skin, strict=True)])

    uneven = 0.02 + 0.16 * look.asymmetry
    ragged = 0.005 + 0.085 * look.border
    amplitudes = {1: uneven, 2: uneven * 0.8, 3: uneven * 0.7}
    amplitudes |= {5: ragged * 0.8, 7: ragged, 11: ragged, 16: ragged * 0.6}
    radii = drawing.waves(rng, amplitudes)
    stretch = 1.0 + 0.12 * rng.random()
    polygon = drawing.outline(radii, radius, centre=centre, stretch=stretch, turn=turn)

    layer = Image.new("RGB", size, base)
    pen = ImageDraw.Draw(layer)
    core = drawing.outline(radii, radius * 0.55, centre=centre, stretch=stretch, turn=turn)
    pen.polygon(core, fill=drawing.clamp([channel * 0.86 for channel in base]))
    for index in rng.permutation(len(_OTHERS))[: look.colours].tolist():
        # A patch away from the middle: variegated and lopsided at once.
        direction = drawing.waves(rng, {1: 0.5})
        offset = drawing.outline(
            direction, radius * (0.35 + 0.3 * rng.random()), centre=centre, turn=turn
        )[int(rng.integers(drawing.TURN))]
        patch = drawing.waves(rng, {2: 0.2, 3: 0.12, 5: 0.08})
        width = radius * (0.32 + 0.2 * rng.random())
        fill = drawing.shifted(rng, _OTHERS[index], 8)
        pen.polygon(drawing.outline(patch, width, centre=offset, turn=turn), fill=fill)

    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).polygon(polygon, fill=255)
    softness = ImageFilter.BoxBlur(1 + int(rng.integers(2)))
    return layer.filter(ImageFilter.BoxBlur(3)), mask.filter(softness)


def _draw_hairs(rng: np.random.Generator, image: Image.Image) -> None:
    pen = ImageDraw.Draw(image)
    for _ in range(max(0, int(rng.integers(-3, 6)))):
        x, y = int(rng.integers(image.width)), int(rng.integers(image.height))
        reach = int(rng.integers(image.height // 3, image.height))
        start = int(rng.integers(360))
        shade = int(rng.integers(30, 80))
        box = (x - reach, y - reach, x + reach, y + reach)
        pen.arc(box, start, start + int(rng.integers(20, 70)), fill=(shade, shade - 10, shade - 20))


def _vignetted(image: Image.Image) -> Image.Image:
    """Darken the corners, as a dermatoscope's tube does."""
    light = ImageChops.invert(Image.radial_gradient("L"))  # 255 in the middle, 0 outside
    light = light.point([min(255, 90 + 2 * value) for value in range(256)]).resize(image.size)
    return ImageChops.multiply(image, Image.merge("RGB", (light, light, light)))
