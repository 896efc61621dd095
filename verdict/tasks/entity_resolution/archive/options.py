"""What ``fetch.embedded`` may hold: how the synthetic archive is made."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Embedded(Section):
    """The synthetic archive: how many people, and how many pairs of different ones."""

    seed: Seed
    entities: Annotated[int, Field(ge=40, le=100_000)]
    no_match_per_match: Annotated[int, Field(ge=1, le=20)]
