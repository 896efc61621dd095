"""What ``fetch.embedded`` may hold: how the synthetic archive is made."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Embedded(Section):
    """The synthetic archive: how many images, and what share of them melanomas."""

    seed: Seed
    images: Annotated[int, Field(ge=50, le=200_000)]
    positive_share: Annotated[float, Field(ge=0.02, le=0.30)]
