"""What params.yaml may say about pairs of records."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verdict.params_section import Section, Seed, Text

Values = Annotated[list[str | int | bool], Field(min_length=1)]


class Options(Section):
    """Where the two records and the label of a pair stand.

    Attributes:
        layout: ``columns``: each record and the label have a column; ``messages``: a
            conversation that holds both records, as ``abicyclerider/entity-resolution-pairs`` has.
        header: whether the first line of a CSV or TSV file names the columns; without, the three
            columns are ``left``, ``right`` and ``label``, in this order.
        left, right, label: the columns' names, for the layout ``columns``.
        match, no_match: what stands for the labels; upper and lower case are the same.
    """

    layout: Literal["columns", "messages"]
    header: bool
    left: Text
    right: Text
    label: Text
    match: Values
    no_match: Values

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        if both := {plain(v) for v in self.match} & {plain(v) for v in self.no_match}:
            raise ValueError(f"match and no_match both have {min(both)!r}; a value is one of them")
        return self

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if len({self.left, self.right, self.label}) < 3:
            raise ValueError("left, right and label must be three different columns")
        return self


class Embedded(Section):
    """The synthetic archive: how many people, and how many pairs of different ones."""

    seed: Seed
    entities: Annotated[int, Field(ge=40, le=100_000)]
    no_match_per_match: Annotated[int, Field(ge=1, le=20)]


def plain(value: str | int | bool) -> str:
    """Return a label's value as it is compared."""
    return str(value).strip().lower()
