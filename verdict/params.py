"""The schema of ``params.yaml``: strict, so that a typing error stops the work before it starts.

``python -m verdict.params [FILE]`` checks a file and prints its resolved form.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from verdict.params_section import Name, Positive, Section, Seed, Sha256, Share, Text
from verdict.params_training import Lora, ModelOptions, Quantization, Train

#: The name of a model that this project builds itself, instead of fetching it from the hub.
EMBEDDED = "embedded"


class SourceFile(Section):
    """One published file: where it is, and optionally the SHA-256 it must have."""

    address: Text
    sha256: Sha256 | None


class Fetch(Section):
    """Where the raw data comes from."""

    source: Literal["embedded", "files"]
    files: dict[Name, SourceFile]
    #: The task's ``Embedded``; checked by the stage that reads it.
    embedded: dict[Name, Any]


class EmbeddedModel(Section):
    """How the embedded tiny model is built, and what it is pre-trained on."""

    architecture: Literal["gemma3", "gemma3_text", "gemma3n"]
    lessons: Literal["shapes", "comparisons"]
    seed: Seed
    steps: Positive


class Model(Section):
    """A model to fetch: ``embedded``, or a hub model at a fixed revision."""

    name: Annotated[str, Field(pattern=r"^(embedded|[\w.-]+/[\w.-]+)$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None
    embedded: EmbeddedModel

    @model_validator(mode="after")
    def _revision_fixed(self) -> Self:
        if self.name != EMBEDDED and self.revision is None:
            raise ValueError(
                f"{self.name} needs a revision: the 40 hexadecimal digits of a commit on the hub "
                "(a branch name moves, and the result could not be repeated)"
            )
        return self


class Extract(Section):
    """How images are decoded, resized, encoded and packed into shards."""

    size: Annotated[int, Field(ge=16, le=4096)]
    fit: Literal["pad", "stretch"]
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    format: Literal["jpeg", "webp_lossless"]
    quality: Annotated[int, Field(ge=1, le=100)]
    shard_megabytes: Annotated[int, Field(ge=1, le=4096)]
    max_megapixels: Annotated[int, Field(ge=1, le=2000)]
    max_rejected: Annotated[int, Field(ge=0)]


class Split(Section):
    """Where the splits come from, the groups' shares in each, and what to do about leaks."""

    source: Literal["shares", "published"]
    crossing: Literal["fail", "leave_out", "keep"]
    train: Share
    validation: Share
    test: Share
    seed: Seed

    @model_validator(mode="after")
    def _shares_sum(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self

    @model_validator(mode="after")
    def _only_published_splits_are_kept(self) -> Self:
        if self.crossing == "keep" and self.source != "published":
            raise ValueError(
                "crossing: keep is for published splits alone (source: published); use leave_out"
            )
        return self


class Format(Section):
    """The conversation: the same for training and for evaluation, image first."""

    system: str
    prompt: Text
    answers: Annotated[dict[Name, Text], Field(min_length=2)] | None
    positive: Name | None

    @model_validator(mode="after")
    def _answers_differ(self) -> Self:
        if self.answers is None:
            if self.positive is not None:
                raise ValueError("positive must be null where answers is (free text has no labels)")
            return self
        if len(self.answers) > 2 and self.positive is not None:
            raise ValueError(
                f"positive must be null with {len(self.answers)} answers; it is about two"
            )
        if len(self.answers) == 2 and self.positive not in self.answers:
            raise ValueError(
                f"positive is {self.positive!r}, which is not one of answers: "
                + ", ".join(self.answers)
            )
        if len(set(self.answers.values())) < len(self.answers):
            raise ValueError("two labels have the same answer; each needs its own")
        return self


class Tracking(Section):
    """Where runs are recorded; nothing here changes a result, so no stage lists it."""

    trackers: list[Literal["mlflow", "tensorboard", "wandb"]]
    experiment: Annotated[str, Field(pattern=r"^[\w.-]+$")]


class EvaluatedModel(Section):
    """Weights, and what is laid over them: an adapter's folder or the model's own config.json."""

    model: Annotated[str, Field(pattern=r"^models/[\w.-]+$")]
    adapter: Annotated[str, Field(pattern=r"^models/([\w.-]+(/config\.json)?|replicates/[\w.-]+)$")]


class Evaluate(Section):
    """Which models answer, and how."""

    models: Annotated[dict[Name, EvaluatedModel], Field(min_length=1)]
    batch_size: Positive
    max_new_tokens: Positive
    length_normalization: Literal["none", "tokens"]
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


class Report(Section):
    """The page for people."""

    cases: Annotated[int, Field(ge=0, le=500)]


class Reproducibility(Section):
    """What makes two machines agree."""

    device: Literal["cpu", "cuda", "auto"]
    cpu_isa: Literal["avx2", "native"]
    threads: Positive | None
    strict: bool


class Params(Section):
    """All of params.yaml."""

    task: Name
    fetch: Fetch
    #: The task's ``Options``; checked by the stage that reads it.
    dataset: dict[Name, Any]
    models: dict[Name, Model]
    extract: Extract
    split: Split
    format: Format
    model: ModelOptions
    quantization: Quantization
    lora: Lora
    train: Train
    #: The same training again: name to seed.
    replicates: dict[Name, Seed]
    evaluate: Evaluate
    compare: Compare
    report: Report
    tracking: Tracking
    reproducibility: Reproducibility

    @model_validator(mode="after")
    def _replicates_differ(self) -> Self:
        seeds = [self.train.seed, *self.replicates.values()]
        if len(set(seeds)) < len(seeds):
            raise ValueError(
                "replicates repeats a seed, so that a training would be counted twice; train.seed "
                f"is {seeds[0]}, theirs are {', '.join(map(str, seeds[1:]))}"
            )
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if "base" not in self.models:
            raise ValueError("models.base is missing: it is what training starts from")
        known = {f"models/{name}" for name in self.models}
        for name, entry in self.evaluate.models.items():
            if entry.model not in known:
                raise ValueError(
                    f"evaluate.models.{name}.model is {entry.model}, but models: fetches only "
                    + ", ".join(sorted(known))
                )
            adapters = ["models/adapter", f"{entry.model}/config.json"]
            if name in self.replicates:
                adapters = [f"models/replicates/{name}"]
            if entry.adapter not in adapters:
                raise ValueError(
                    f"evaluate.models.{name}.adapter is {entry.adapter}; write {adapters[0]}"
                    + (f", or {adapters[1]} where there is none" if adapters[1:] else "")
                )
        for name in self.replicates:
            if name not in self.evaluate.models:
                raise ValueError(
                    f"replicates.{name} is trained, but not evaluated: add {name} to "
                    f"evaluate.models, with the adapter models/replicates/{name}"
                )
        if self.compare.baseline not in self.evaluate.models:
            raise ValueError(
                f"compare.baseline is {self.compare.baseline!r}, which is not one of "
                f"evaluate.models: {', '.join(self.evaluate.models)}"
            )
        return self

    @model_validator(mode="after")
    def _a_threshold_can_be_chosen(self) -> Self:
        if self.compare.sensitivity is None:
            return self
        if self.format.answers is None or len(self.format.answers) != 2:
            raise ValueError(
                "compare.sensitivity is about the positive one of two labels, but format.answers "
                "has not two; set compare.sensitivity=null"
            )
        if not self.evaluate.validation:
            raise ValueError(
                "compare.sensitivity chooses a threshold on the validation split, but "
                "evaluate.validation is false; set evaluate.validation=true, or "
                "compare.sensitivity=null"
            )
        return self

    @model_validator(mode="after")
    def _ways_to_train_agree(self) -> Self:
        if self.model.task == "classify" and self.format.answers is None:
            raise ValueError(
                "model.task is classify, but format.answers is null: a classifier needs labels; "
                "list them there, or set model.task=generate"
            )
        if self.train.method == "full" and self.quantization.load_in_4bit:
            raise ValueError(
                "train.method is full, but quantization.load_in_4bit is true: 4-bit weights cannot "
                "learn; set quantization.load_in_4bit=false, or train.method=lora"
            )
        if self.model.cache_vision_features and "vision_tower" not in self.train.freeze:
            raise ValueError(
                "model.cache_vision_features needs vision_tower in train.freeze: features computed "
                "once would not follow a tower that learns"
            )
        if (
            self.model.cache_vision_features
            and self.train.fsdp
            and "projector" not in self.train.freeze
        ):
            raise ValueError(
                "model.cache_vision_features with train.fsdp needs projector in train.freeze: a "
                "sharded projector cannot be applied on its own"
            )
        return self


if __name__ == "__main__":
    from verdict.params_file import main

    main()
