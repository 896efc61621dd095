"""Choose rows of the published folds, balance them as published, and label them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, Field

from verdict.core.errors import VerdictError
from verdict.params.section import Section, Seed
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable
from verdict.tasks.breakhis.archive.layout import BENIGN, FILES, FOLDS_FILE
from verdict.tasks.breakhis.folds import Entry, read_folds


def _once_each(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError(f"{values} names a magnification twice; name each once")
    return values


class Options(Section):
    """Which images are used, how they are labelled, and what is done about the known flaw."""

    fold: Literal[1, 2, 3, 4, 5]
    magnifications: Annotated[
        list[Literal[40, 100, 200, 400]], Field(min_length=1), AfterValidator(_once_each)
    ]
    classes: Literal["eight", "binary"]
    balance_seed: Seed | None
    two_class_slides: Literal["fail", "leave_out", "keep"]


def read_table(folder: Path, options: Options) -> RawTable:
    """Return the images of one fold at the chosen magnifications.

    The group is the slide, which the authors take for one patient; the split is the fold's. What is
    left out, and slides that stand in two classes, are told in the findings. Balancing comes
    first, over the published rows: so what is left is part of what the published run used.

    Raises:
        VerdictError: a table that is not as published, a choice without images, or slides in two
            classes where ``two_class_slides`` is ``fail``.
    """
    archive = folder / FILES["archive"]
    entries = read_folds(archive)
    chosen = _chosen(archive, entries, options)
    balanced = chosen
    if options.balance_seed is not None:
        balanced = _balanced(archive, chosen, options.balance_seed)
    flawed = _two_class_slides(entries)
    doubtful = [entry for entry in balanced if entry.image.slide in flawed]
    if doubtful and options.two_class_slides == "fail":
        slide = doubtful[0].image.slide
        raise VerdictError(
            f"{archive}: {FOLDS_FILE} has slide {slide} in two classes "
            f"({', '.join(flawed[slide])}), so one of its labels is wrong. Set "
            "dataset.two_class_slides to leave_out, or to keep, to repeat the published numbers"
        )
    kept = balanced
    if options.two_class_slides == "leave_out":
        kept = [entry for entry in balanced if entry.image.slide not in flawed]
    findings: dict[str, Any] = {
        "chosen": len(chosen),
        "left_out": {
            "balancing": len(chosen) - len(balanced),
            "two_class_slides": len(balanced) - len(kept),
        },
        "two_class_slides": flawed,
        "numbers_in_train_and_test": _numbers_in_both(kept),
    }
    return RawTable(
        [_row(entry, options) for entry in kept],
        images=ZipImages(archive),
        every_image=False,
        findings=findings,
    )


def _chosen(archive: Path, entries: Sequence[Entry], options: Options) -> list[Entry]:
    found = [
        entry
        for entry in entries
        if entry.fold == options.fold and entry.image.magnification in options.magnifications
    ]
    present = {entry.image.magnification for entry in found}
    for magnification in options.magnifications:
        if magnification not in present:
            raise VerdictError(
                f"{archive}: {FOLDS_FILE} has no row of fold {options.fold} at {magnification}X; "
                "change dataset.fold or dataset.magnifications, or fetch the archive again"
            )
    return found


def _balanced(archive: Path, entries: Sequence[Entry], seed: int) -> list[Entry]:
    """Cut benign and malignant to the smaller number, in training and in testing by itself.

    pandas draws, as in the published notebook: the same seed leaves the same images.
    """
    table = pd.DataFrame(
        {
            "group": [entry.group for entry in entries],
            "malignancy": [entry.image.malignancy for entry in entries],
        }
    )
    kept: list[int] = []
    for group, rows in table.groupby("group"):
        is_benign = rows["malignancy"] == BENIGN
        benign, malignant = rows[is_benign], rows[~is_benign]
        count = min(len(benign), len(malignant))
        if count == 0:
            raise VerdictError(
                f"{archive}: {FOLDS_FILE} has for {group} {len(benign)} benign and "
                f"{len(malignant)} malignant images of this choice, which cannot be balanced; set "
                "dataset.balance_seed to null"
            )
        for part in (benign, malignant):
            kept += part.sample(count, random_state=seed).index.tolist()
    return [entries[index] for index in sorted(kept)]


def _two_class_slides(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the subtypes of each slide that has more than one, in any fold."""
    subtypes = defaultdict(set)
    for entry in entries:
        subtypes[entry.image.slide].add(entry.image.subtype)
    return {slide: sorted(found) for slide, found in sorted(subtypes.items()) if len(found) > 1}


def _numbers_in_both(entries: Iterable[Entry]) -> list[str]:
    """Return the numbers that slides of training and of test share, but for letters behind them.

    The authors take 14-22549AB and 14-22549CD for two patients; nobody says that they are.
    """
    groups = defaultdict(set)
    for entry in entries:
        groups[entry.image.slide.rstrip(ascii_uppercase)].add(entry.group)
    return sorted(number for number, found in groups.items() if len(found) > 1)


def _row(entry: Entry, options: Options) -> RawRow:
    image = entry.image
    return RawRow(
        id=str(image),
        group=image.slide,
        label=image.subtype if options.classes == "eight" else image.malignancy,
        attributes={
            "magnification": f"{image.magnification}X",
            "subtype": image.subtype,
            "malignancy": image.malignancy,
        },
        image=str(image),
        split=entry.group,
    )
