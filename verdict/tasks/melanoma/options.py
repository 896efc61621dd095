"""What params.yaml may say about the melanoma data."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Options(Section):
    """Nothing can be chosen: the tables are read as they are."""


class Embedded(Section):
    """The synthetic archive: how many images, and what share of them melanomas."""

    seed: Seed
    images: Annotated[int, Field(ge=50, le=200_000)]
    positive_share: Annotated[float, Field(ge=0.02, le=0.30)]
