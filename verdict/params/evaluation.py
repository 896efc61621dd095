"""The sections of ``params.yaml`` about evaluation, comparison and report."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from verdict.params.data import Fetch
from verdict.params.section import Name, Positive, Section, Seed, Text


class Examples(Section):
    """Few-shot prompting: answered records of the training split before each question."""

    count: Positive
    seed: Seed


class EvaluatedModel(Section):
    """Weights, and what is laid over them: an adapter's folder or the model's own config.json.

    The folder may be any that somebody else's adapter lies in.
    """

    model: Annotated[str, Field(pattern=r"^models/[\w.-]+$")]
    adapter: Annotated[str, Field(pattern=r"^/?[\w.-]+(/[\w.-]+)*$")]
    #: None: asked zero-shot, without any.
    examples: Examples | None = None


class Baseline(Section):
    """What is trained on the same records without fine-tuning a model."""

    kind: Literal["features", "similarities", "fellegi_sunter", "tfidf", "probe"]


class Evaluate(Section):
    """Which models answer, and how."""

    models: Annotated[dict[Name, EvaluatedModel], Field(min_length=1)]
    batch_size: Positive
    max_new_tokens: Positive
    length_normalization: Literal["none", "tokens"]
    thinking: Annotated[int, Field(ge=0)]
    validation: bool


class Compare(Section):
    """The comparison of the evaluated models."""

    baseline: Name
    groups_are: Text
    resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Seed
    #: For each new label the labels that it stands for; empty: nothing is merged.
    merge: dict[Name, Annotated[list[Name], Field(min_length=1)]]
    merge_positive: Name | None
    subgroups: list[Text]
    #: To be reached on the validation split by a threshold; None: no threshold is chosen.
    sensitivity: Annotated[float, Field(gt=0, le=1)] | None
    #: How many settings these were chosen from, by the validation split.
    tries: Positive
    #: Of a missed positive, where a false alarm costs 1; None: no threshold is chosen by cost.
    cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    #: The share of validation records to answer; None: no threshold of abstention is chosen.
    coverage: Annotated[float, Field(gt=0, lt=1)] | None

    @model_validator(mode="after")
    def _merged_labels_agree(self) -> Self:
        merged = [label for labels in self.merge.values() for label in labels]
        repeated = sorted({label for label in merged if merged.count(label) > 1})
        if repeated:
            raise ValueError(f"merge lists {repeated[0]} twice; every label has one place")
        if len(self.merge) == 1:
            raise ValueError("merge has one new label; two or more are needed, or {} for none")
        if len(self.merge) == 2 and self.merge_positive not in self.merge:
            raise ValueError(
                f"merge_positive is {self.merge_positive!r}, which is not one of the two new "
                "labels: " + ", ".join(self.merge)
            )
        if len(self.merge) != 2 and self.merge_positive is not None:
            raise ValueError("merge_positive must be null unless merge has two new labels")
        return self

    @model_validator(mode="after")
    def _subgroups_differ(self) -> Self:
        if len(set(self.subgroups)) < len(self.subgroups):
            raise ValueError("subgroups names an attribute twice")
        return self


class Outside(Section):
    """A test set from elsewhere, which nothing is trained on."""

    fetch: Fetch
    #: The task's ``Options``, as in the section ``dataset``.
    dataset: dict[Name, Any]
    #: For labels that the set calls otherwise, those of ``format.answers``.
    labels: dict[Text, Name]
    groups_are: Text
    #: Whether a group of the same name is the same one as in the task's own data.
    same_groups: bool
    crossing: Literal["fail", "leave_out"]
    subgroups: list[Text]

    @model_validator(mode="after")
    def _subgroups_differ(self) -> Self:
        if len(set(self.subgroups)) < len(self.subgroups):
            raise ValueError("subgroups names an attribute twice")
        return self


class Report(Section):
    """The page for people."""

    cases: Annotated[int, Field(ge=0, le=500)]
