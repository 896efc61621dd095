"""What params.yaml may say about the BreakHis data."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from verdict.params.section import Section, Seed


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


class Embedded(Section):
    """The synthetic archive: how many patients, and how many images of each at a magnification."""

    seed: Seed
    patients: Annotated[int, Field(ge=27, le=2000)]
    images_per_patient: Annotated[int, Field(ge=1, le=50)]
