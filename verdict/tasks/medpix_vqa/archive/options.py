"""What ``fetch.embedded`` may hold: how the synthetic archive is made."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Embedded(Section):
    """The synthetic archive: how many cases, the share published as validation, and of leaks."""

    seed: Seed
    cases: Annotated[int, Field(ge=40, le=20_000)]
    #: Share of cases; 0.15 in the real data.
    validation_share: Annotated[float, Field(ge=0.05, le=0.5)]
    #: Share of cases with images in both published splits.
    crossing_share: Annotated[float, Field(ge=0, le=0.5)]
