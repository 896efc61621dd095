"""The schema of ``params.yaml``: strict, so that a typing error stops the work before it starts.

``python -m verdict.params [FILE]`` checks a file and prints its resolved form.
"""

import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from verdict.core.paths import ADAPTER, DATA, METRICS, MODELS, REPLICATES
from verdict.params.data import Extract, Fetch, Format, Model, Split, Use
from verdict.params.evaluation import Baseline, Compare, Evaluate, Outside, Report
from verdict.params.section import Name, Positive, Section, Seed
from verdict.params.training import Lora, ModelOptions, Quantization, Train

#: Keys that DVC's run cache leaves out of what it looks up a stage by, wherever they stand in a
#: section (findings/dvc_run_cache_ignores_size.sh); dvc.yaml lists the one that is used by itself.
UNSEEN = frozenset({"size", "nfiles"})
LISTED = frozenset({"extract.size"})
#: Where an adapter of others cannot lie: stages write there.
_OF_STAGES = frozenset(map(str, (DATA, METRICS, MODELS)))


class Tracking(Section):
    """Where runs are recorded; nothing here changes a result, so no stage lists it."""

    trackers: list[Literal["mlflow", "tensorboard", "wandb"]]
    experiment: Annotated[str, Field(pattern=r"^[\w.-]+$")]


class Compute(Section):
    """Who does the work; nothing here changes a result, so no stage lists it."""

    engine: Literal["local", "ray"]
    workers: Positive | None


class Reproducibility(Section):
    """What makes two machines agree."""

    device: Literal["cpu", "cuda", "mps", "auto"]
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
    terms: Use
    extract: Extract
    split: Split
    format: Format
    model: ModelOptions
    quantization: Quantization
    lora: Lora
    train: Train
    #: The same training again: name to seed.
    replicates: dict[Name, Seed]
    baselines: dict[Name, Baseline]
    evaluate: Evaluate
    #: Test sets from elsewhere, by name.
    outside: dict[Name, Outside]
    compare: Compare
    report: Report
    tracking: Tracking
    compute: Compute
    reproducibility: Reproducibility

    @model_validator(mode="after")
    def _dvc_sees_every_key(self) -> Self:
        if hidden := sorted({*_unseen(self.model_dump(), "")} - LISTED):
            raise ValueError(
                f"DVC would not notice a change of {hidden[0]}: its run cache leaves out keys "
                f"called {' and '.join(sorted(UNSEEN))}; call it otherwise"
            )
        return self

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
        known = {f"{MODELS}/{name}" for name in self.models}
        for name, entry in self.evaluate.models.items():
            if entry.model not in known:
                raise ValueError(
                    f"evaluate.models.{name}.model is {entry.model}, but models: fetches only "
                    + ", ".join(sorted(known))
                )
            own = f"{entry.model}/config.json"
            if name in self.replicates:
                if entry.adapter != f"{REPLICATES}/{name}":
                    raise ValueError(
                        f"evaluate.models.{name}.adapter is {entry.adapter}; write "
                        f"{REPLICATES}/{name}"
                    )
            # What stages write; anything else is a folder of the user's.
            elif _in_stages_folder(entry.adapter) and entry.adapter not in {
                str(ADAPTER),
                own,
                *known,
            }:
                raise ValueError(
                    f"evaluate.models.{name}.adapter is {entry.adapter}; write {ADAPTER}, or {own} "
                    "where there is none; for one that others trained its own folder outside of "
                    f"{MODELS}/, or {MODELS}/NAME where models.NAME fetches it"
                )
            if entry.examples and (entry.adapter != own or name == self.compare.baseline):
                raise ValueError(
                    f"evaluate.models.{name}.examples makes it a baseline without fine-tuning, "
                    f"which the others are compared with; set its adapter to {own}, and "
                    "compare.baseline to another model, or take the examples out"
                )
        for name in self.replicates:
            if name not in self.evaluate.models:
                raise ValueError(
                    f"replicates.{name} is trained, but not evaluated: add {name} to "
                    f"evaluate.models, with the adapter {REPLICATES}/{name}"
                )
        if self.compare.baseline not in self.evaluate.models:
            raise ValueError(
                f"compare.baseline is {self.compare.baseline!r}, which is not one of "
                f"evaluate.models: {', '.join(self.evaluate.models)}"
            )
        return self

    @model_validator(mode="after")
    def _baselines_fit(self) -> Self:
        for name, entry in self.baselines.items():
            if name in self.evaluate.models:
                raise ValueError(
                    f"baselines.{name} is called like a model of evaluate.models, whose "
                    "predictions it would replace; give it another name"
                )
            if self.format.answers is None:
                raise ValueError(
                    f"baselines.{name} tells labels apart, but this task is free text "
                    "(format.answers: null); set baselines={}"
                )
            if entry.kind not in ("features", "probe") and "{text}" not in self.format.prompt:
                raise ValueError(
                    f"baselines.{name}.kind is {entry.kind}, which reads texts, but format.prompt "
                    "has no {text}: the records have none; for images there is features"
                )
            if entry.kind == "fellegi_sunter" and self.format.positive is None:
                raise ValueError(
                    f"baselines.{name}.kind is fellegi_sunter, which tells matches from others, "
                    "but format.positive, the label of matches, is null; take similarities"
                )
        return self

    @model_validator(mode="after")
    def _outside_sets_fit(self) -> Self:
        for name, entry in self.outside.items():
            if name in ("train", "validation", "test"):
                raise ValueError(
                    f"outside.{name} is called like a split of the task's own data; give it "
                    "another name, such as that of its hospital"
                )
            known = self.format.answers or {}
            for old, label in entry.labels.items():
                if label not in known:
                    raise ValueError(
                        f"outside.{name}.labels calls {old} {label}, but format.answers has no "
                        f"such label; it has {', '.join(known) or 'none at all'}"
                    )
        if self.outside and not self.evaluate.validation:
            raise ValueError(
                "outside has sets, but evaluate.validation is false: by its answers to the "
                "validation split DVC sees that a model has changed and has to be asked about "
                "them again; set evaluate.validation=true, or outside={}"
            )
        return self

    @model_validator(mode="after")
    def _a_threshold_can_be_chosen(self) -> Self:
        two = self.format.answers is not None and len(self.format.answers) == 2
        # Costs are of merged labels, too, where these are two.
        for key, has_two in (("sensitivity", two), ("cost", two or len(self.compare.merge) == 2)):
            if getattr(self.compare, key) is None:
                continue
            if not has_two:
                raise ValueError(
                    f"compare.{key} is about the positive one of two labels, but format.answers "
                    f"has not two; set compare.{key}=null"
                )
            if not self.evaluate.validation:
                raise ValueError(
                    f"compare.{key} chooses a threshold on the validation split, but "
                    "evaluate.validation is false; set evaluate.validation=true, or "
                    f"compare.{key}=null"
                )
        return self

    @model_validator(mode="after")
    def _apples_gpu_can_do_it(self) -> Self:
        if self.reproducibility.device != "mps":
            return self
        for asked, key, fix, reason in (
            (self.reproducibility.strict, "reproducibility.strict", "false",
             "torch promises no deterministic operations there"),
            (self.quantization.load_in_4bit, "quantization.load_in_4bit", "false",
             "bitsandbytes takes its kernels for it from the hub, and code from there never runs"),
            (self.train.launcher != "none", "train.launcher", "none", "it is one, for one process"),
            (self.train.fsdp, "train.fsdp", "false", "it is one, for one process"),
            (self.train.deepspeed, "train.deepspeed", "null", "it needs CUDA"),
        ):  # fmt: skip
            if asked:
                raise ValueError(
                    f"reproducibility.device is mps, Apple's GPU, but {reason}: set {key}={fix}"
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


def _in_stages_folder(path: str) -> bool:
    return PurePath(os.path.normpath(path)).parts[0] in _OF_STAGES


def _unseen(value: Any, above: str) -> Iterator[str]:
    """Yield the dotted keys called as DVC's run cache does not see them."""
    for name, part in value.items() if isinstance(value, dict) else ():
        if name in UNSEEN:
            yield f"{above}{name}"
        yield from _unseen(part, f"{above}{name}.")
