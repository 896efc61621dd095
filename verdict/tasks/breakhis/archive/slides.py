"""Who is in the synthetic archive: slides, how many images of each, and the five folds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from verdict.tasks.breakhis.archive.layout import FOLDS, MAGNIFICATIONS, SUBTYPES, ImageName
from verdict.tasks.breakhis.archive.options import Embedded

#: Parts of all patients by class: as in the real data, ductal carcinoma is the commonest.
_PARTS = {code: 2 if code == "DC" else 1 for code in SUBTYPES}
#: Share of a class's patients that a fold tests on, as published.
_TEST_SHARE = 0.3
#: Share of slides whose number ends in letters, and the letters.
_LETTERS_SHARE = 0.2
_LETTERS = ("AB", "CD", "C", "G")

#: The known flaw: one slide in these two classes. In some folds its second class is tested on and
#: its first trained on, in some the other way round; in the others, both are trained on.
_FLAW_CODES = ("DC", "LC")
_FLAW_TESTED = {1: "LC", 3: "DC", 5: "DC"}


@dataclass(frozen=True)
class Slide:
    """The images of one patient that are of one class.

    Attributes:
        number: counts the slides, for the seeds of drawing.
        patient: the number of the slide whose stain it shares: its own, but for the flaw.
    """

    code: str
    name: str
    number: int
    patient: int
    tested_in: frozenset[int]
    counts: dict[int, int]

    def images(self) -> Iterator[ImageName]:
        """Yield the slide's images, in the order of the published table."""
        for magnification in sorted(MAGNIFICATIONS, key=str):
            for number in range(1, self.counts[magnification] + 1):
                yield ImageName(self.code, self.name, magnification, number)


def make_slides(options: Embedded) -> list[Slide]:
    """Return the slides in the order of the published table; among them the one in two classes."""
    rng = np.random.default_rng([options.seed, 1])
    names = _names(rng, options.patients)
    slides: list[Slide] = []
    flawed: Slide | None = None
    for code, count in _class_sizes(options.patients).items():
        tested = _tested(rng, count)
        for index in range(count):
            number = len(slides)
            slide = Slide(
                code,
                names[number],
                number,
                patient=number,
                tested_in=tested[index],
                counts=_counts(rng, options.images_per_patient),
            )
            if code in _FLAW_CODES and index == 0:
                slide = _as_flawed(slide, flawed)
                flawed = flawed or slide
            slides.append(slide)
    return slides


def _as_flawed(slide: Slide, first: Slide | None) -> Slide:
    """Return one half of the slide that stands in two classes; ``first`` is the other half."""
    tested = frozenset(fold for fold, code in _FLAW_TESTED.items() if code == slide.code)
    first = first or slide
    return Slide(slide.code, first.name, slide.number, first.number, tested, first.counts)


def _class_sizes(patients: int) -> dict[str, int]:
    """Return the number of slides by class: one more than patients, of whom one has two."""
    parts = sum(_PARTS.values())
    sizes = {code: patients * part // parts for code, part in _PARTS.items()}
    sizes["DC"] += patients + 1 - sum(sizes.values())
    return sizes


def _tested(rng: np.random.Generator, count: int) -> list[frozenset[int]]:
    """Return for each slide of a class the folds that test on it.

    None does on the first, whose place may be the flawed slide's, with its own folds.
    """
    chosen = {
        fold: set((1 + rng.permutation(count - 1))[: max(1, round(_TEST_SHARE * count))].tolist())
        for fold in FOLDS
    }
    return [
        frozenset(fold for fold, members in chosen.items() if index in members)
        for index in range(count)
    ]


def _counts(rng: np.random.Generator, mean: int) -> dict[int, int]:
    """Return the number of images by magnification: ``mean`` on average, and up to half off."""
    half = mean // 2
    return {
        magnification: mean + int(rng.integers(-half, half + 1)) for magnification in MAGNIFICATIONS
    }


def _names(rng: np.random.Generator, count: int) -> list[str]:
    numbers = rng.choice(np.arange(2_000, 30_000), count + 1, replace=False).tolist()
    return [f"14-{number}{_letters(rng)}" for number in numbers]


def _letters(rng: np.random.Generator) -> str:
    if rng.random() >= _LETTERS_SHARE:
        return ""
    return _LETTERS[int(rng.integers(len(_LETTERS)))]
