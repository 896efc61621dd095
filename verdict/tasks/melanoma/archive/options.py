"""What ``fetch.embedded`` may hold: how the synthetic archive is made."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Embedded(Section):
    """The synthetic archive: how many images, and what share of them melanomas.

    Attributes:
        cast: the camera's: added to red, and taken from blue; another hospital has another camera.
    """

    seed: Seed
    images: Annotated[int, Field(ge=50, le=200_000)]
    positive_share: Annotated[float, Field(ge=0.02, le=0.30)]
    cast: Annotated[int, Field(ge=-80, le=80)] = 0
