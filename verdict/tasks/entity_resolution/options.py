"""What params.yaml may say about pairs of records."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from verdict.params.section import Section, Text

Values = Annotated[list[str | int | bool], Field(min_length=1)]


class Options(Section):
    """Where the two records and the label of a pair stand.

    Attributes:
        layout: ``columns``: each record and the label have a column; ``messages``: a
            conversation that holds both records, as ``abicyclerider/entity-resolution-pairs`` has;
            ``tables``: the columns hold ids of records in ``tableA.csv`` and ``tableB.csv``.
        header: whether the first line of a CSV or TSV file names the columns; without, the three
            columns are ``left``, ``right`` and ``label``, in this order.
        left, right, label: the columns' names, for the layout ``columns``.
        entities: columns that name the entity of the left and of the right record; a single one
            names that of both, or for the layout ``tables`` is a column of both tables; None
            where the matches alone tell.
        match, no_match: what stands for the labels; upper and lower case are the same.
    """

    layout: Literal["columns", "messages", "tables"]
    header: bool
    left: Text
    right: Text
    label: Text
    entities: Annotated[list[Text], Field(min_length=1, max_length=2)] | None
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
        if self.entities and {self.left, self.right, self.label} & set(self.entities):
            raise ValueError("entities must be other columns than left, right and label")
        return self

    @model_validator(mode="after")
    def _entities_fit_the_layout(self) -> Self:
        if self.entities and self.layout == "messages":
            raise ValueError("entities must be null where layout is messages: it has no columns")
        if self.entities and self.layout == "tables" and len(self.entities) > 1:
            raise ValueError("entities must be one column, of both tables, where layout is tables")
        return self


def plain(value: str | int | bool) -> str:
    """Return a label's value as it is compared."""
    return str(value).strip().lower()
