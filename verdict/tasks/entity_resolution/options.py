"""What params.yaml may say about pairs of records."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from verdict.params.section import Positive, Section, Seed, Text

MATCH, NO_MATCH = "match", "no_match"

Values = Annotated[list[str | int | bool], Field(min_length=1)]


class Key(Section):
    """A blocking key: records that agree in it, or nearly, are compared.

    Attributes:
        columns: whose cells make the key; a record with an empty one has no such key.
        prefix: how many letters of each cell count; None for all.
        code: what stands for each cell instead: how it sounds.
        window: how many neighbouring values of the sorted key are compared with one another; 1
            compares equal keys alone.
    """

    columns: Annotated[list[Text], Field(min_length=1)]
    prefix: Positive | None = None
    code: Literal["soundex"] | None = None
    window: Positive = 1

    @field_validator("window")
    @classmethod
    def _window_is_odd(cls, window: int) -> int:
        if window % 2 == 0:
            raise ValueError("a window must be odd: a value and as many on each side")
        return window

    @property
    def name(self) -> str:
        """What messages and counts call it."""
        marks = [
            f"first {self.prefix}" if self.prefix else "",
            self.code or "",
            f"window {self.window}" if self.window > 1 else "",
        ]
        marked = ", ".join(mark for mark in marks if mark)
        return " + ".join(self.columns) + (f" ({marked})" if marked else "")


class Records(Section):
    """How pairs are made of records, for the layout ``records``.

    Attributes:
        id: the column of a record's own id.
        entity_pattern: a regular expression at the start of an entity's cell, whose one group is
            its name; None where the whole cell is.
        columns: what a record's text consists of, in this order.
        blocking: the keys; a pair that agrees in one of them is a candidate.
        most_pairs: of one key; one that makes more stops the work.
        most_in_cluster: how many entities may be compared with one another: they are divided into
            clusters before pairs are chosen, and a pair is of one cluster.
        most_matches: how many candidates of one entity are taken, at random; None for all.
        no_match_per_match: how many candidates of two entities are taken for each of them.
        seed: of the matches that are drawn, and of which record comes first.
    """

    id: Text
    entity_pattern: Text | None
    columns: list[Text]
    blocking: list[Key]
    most_pairs: Positive
    most_in_cluster: Annotated[int, Field(ge=2)]
    most_matches: Positive | None
    no_match_per_match: Positive
    seed: Seed

    @field_validator("entity_pattern")
    @classmethod
    def _pattern_has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
            if groups != 1:
                raise ValueError(f"{pattern!r} must have one group, as (\\d+) is, not {groups}")
        return pattern

    @field_validator("blocking")
    @classmethod
    def _keys_differ(cls, keys: list[Key]) -> list[Key]:
        names = [key.name for key in keys]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the key {min(twice)!r} stands there twice")
        return keys


class Options(Section):
    """Where the two records and the label of a pair stand.

    Attributes:
        layout: ``columns``: each record and the label have a column; ``messages``: a
            conversation that holds both records, as ``abicyclerider/entity-resolution-pairs`` has;
            ``tables``: the columns hold ids of records in ``tableA.csv`` and ``tableB.csv``;
            ``records``: no pairs yet, but one or two tables of records.
        header: whether the first line of a CSV or TSV file names the columns; without, the three
            columns are ``left``, ``right`` and ``label``, in this order.
        left, right, label: the columns' names, for the layout ``columns``.
        entities: columns that name the entity of the left and of the right record; a single one
            names that of both, or for the layouts ``tables`` and ``records`` is a column of each
            table; None where the matches alone tell.
        match, no_match: what stands for the labels; upper and lower case are the same.
        records: how pairs are made, for the layout ``records``.
    """

    layout: Literal["columns", "messages", "tables", "records"]
    header: bool
    left: Text
    right: Text
    label: Text
    entities: Annotated[list[Text], Field(min_length=1, max_length=2)] | None
    match: Values
    no_match: Values
    records: Records | None = None

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
        if self.layout == "records" and len(self.entities or ()) != 1:
            raise ValueError("entities must be one column where layout is records")
        return self

    @model_validator(mode="after")
    def _records_are_described(self) -> Self:
        if self.layout != "records":
            return self
        if self.records is None or not self.records.columns or not self.records.blocking:
            raise ValueError(
                "records must name columns, which a record's text consists of, and blocking, the "
                "keys by which records are compared, where layout is records"
            )
        if not self.header:
            raise ValueError("header must be true where layout is records")
        of_keys = {column for key in self.records.blocking for column in key.columns}
        if told := {*self.records.columns, *of_keys} & set(self.entities or ()):
            raise ValueError(
                f"records has {min(told)} among its columns or keys, and it names the entity: the "
                "answer would stand in the question"
            )
        return self


def plain(value: str | int | bool) -> str:
    """Return a label's value as it is compared."""
    return str(value).strip().lower()
