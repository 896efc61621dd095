"""What ``fetch.embedded`` may hold: how the synthetic archive is made."""

from typing import Annotated

from pydantic import Field

from verdict.params.section import Section, Seed


class Embedded(Section):
    """The synthetic archive: how many patients, and how many images of each at a magnification."""

    seed: Seed
    patients: Annotated[int, Field(ge=27, le=2000)]
    images_per_patient: Annotated[int, Field(ge=1, le=50)]
