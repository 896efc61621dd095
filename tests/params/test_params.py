import math
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from testing.places import ROOT
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import dump_yaml
from verdict.params import Params
from verdict.params.file import read_params

#: Weights by address, of a model that has no other source.
GGUF = {"addresses": ["a.gguf"], "sha256": "0" * 64, "chat_template": None, "terms": []}
#: Of a task without labels.
FREE_TEXT = {"form": "turns", "system": "", "prompt": "Why?", "answers": None, "positive": None}


def put(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    *parents, last = key.split(".")
    section = values
    for part in parents:
        section = section[part]
    section[last] = value
    return values


def problem_of(values: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(dump_yaml(values), "utf-8")
    with pytest.raises(VerdictError) as error:
        read_params(path)
    return str(error.value)


def test_the_committed_params_are_valid() -> None:
    read_params(ROOT / "params.yaml")


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("lora.rank", 32, r"lora\.rank: unknown key; this section has r, lora_alpha"),
        ("lora.lora_alfa", 32, r"lora\.lora_alfa: unknown key; did you mean lora_alpha\?"),
        ("trian", {}, r"trian: unknown key; did you mean train\?"),
        ("models.base.revison", None, r"models\.base\.revison: .*did you mean revision\?"),
        ("fetch.files.images.sha", "", r"fetch\.files\.images\.sha: .*did you mean sha256\?"),
        ("train.learning_rate", "1e-4", r"'1e-4' is text, a number is expected"),
        ("train.learning_rate", 2.0, r"train\.learning_rate: .*less than or equal to 1, not 2"),
        ("lora.lora_dropout", 1.0, r"lora\.lora_dropout: .*less than 1, not 1"),
        ("train.num_train_epochs", math.inf, r"train\.num_train_epochs: .*finite number"),
        ("train.weight_decay", math.nan, r"train\.weight_decay: .*finite number"),
        ("lora.r", 0, r"lora\.r: .*greater than or equal to 1, not 0"),
        ("lora.r", 8.5, r"lora\.r: .*integer"),
        ("lora.r", True, r"lora\.r: .*integer"),
        ("model.dtype", "float16", r"model\.dtype: float16 is refused"),
        ("split.test", 0.5, r"train \+ validation \+ test must be 1"),
        ("format.positive", "malignant", r"positive is 'malignant'"),
        (
            "format.answers",
            {"benign": "Yes.", "melanoma": "**yes**"},
            r"format: .*'\*\*yes\*\*' of melanoma would be read as 'Yes\.' of benign: case",
        ),
        (
            "format.answers",
            {"benign": "♀", "melanoma": "♂"},
            r"'♀' of benign would be read as no answer at all",
        ),
        ("baselines.tuned", {"kind": "features"}, r"baselines\.tuned is called like a model"),
        ("baselines.words", {"kind": "tfidf"}, r"format\.prompt has no {text}: the records have"),
        ("baselines.trees", {"kind": "forest"}, r"baselines\.trees\.kind: .*'features'"),
        ("format", FREE_TEXT, r"baselines\.boosting tells labels apart, but this task is free"),
        ("models", {"b" * 300: {}}, r"models\.b*\.\[key\]: .*at most 100 characters"),
        ("compare.baseline", "bsae", r"compare\.baseline is 'bsae'"),
        ("models.base.name", "google/gemma-3-4b-it", r"needs a revision"),
        ("models.base.gguf", GGUF, r"models\.base: gguf says where .*, but name is embedded"),
        (
            "models.base",
            {"name": "google/gemma-3-270m", "revision": "0" * 40, "gguf": GGUF},
            r"models\.base: gguf says where the weights are, but there is a revision",
        ),
        (
            "models.base",
            {"name": "google/gemma-3-270m", "revision": None, "gguf": {**GGUF, "addresses": []}},
            r"models\.base\.gguf\.addresses: .*at least 1 item",
        ),
        ("models.base.embedded", None, r"models\.base: an embedded model needs embedded: how it"),
        ("evaluate.models.tuned.model", "models/other", r"models: fetches only"),
        (
            "evaluate.models.tuned.examples",
            {"count": 8, "seed": 1},
            r"evaluate\.models\.tuned\.examples makes it a baseline .* set its adapter to models/b",
        ),
        (
            "evaluate.models.base.examples",
            {"count": 8, "seed": 1},
            r"models\.base\.examples .*, and compare\.baseline to another model, or take",
        ),
        ("evaluate.models.base.examples", {"count": 8}, r"base\.examples\.seed: missing"),
        (
            "evaluate.models.base.examples",
            {"count": 0, "seed": 1},
            r"examples\.count: .*equal to 1",
        ),
        ("fetch.files.images.sha256", "12ab", r"fetch\.files\.images\.sha256: .*pattern"),
    ],
)
def test_each_mistake_is_named_with_its_fix(
    params: dict[str, Any], tmp_path: Path, key: str, value: Any, expected: str
) -> None:
    problem = problem_of(put(params, key, value), tmp_path)
    assert re.search(expected, problem), problem


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"train.method": "full", "quantization.load_in_4bit": True},
            r"4-bit weights cannot learn; set quantization\.load_in_4bit=false",
        ),
        ({"model.cache_vision_features": True}, r"needs vision_tower in train\.freeze"),
        (
            {
                "model.cache_vision_features": True,
                "train.freeze": ["vision_tower"],
                "train.fsdp": True,
            },
            r"with train\.fsdp needs projector in train\.freeze",
        ),
        (
            {"train.early_stopping_patience": 2},
            r"early_stopping_patience needs load_best_model_at_end: true",
        ),
        ({"train.load_best_model_at_end": True}, r"needs eval_strategy and save_strategy"),
        (
            {"train.load_best_model_at_end": True, "train.eval_strategy": "epoch"},
            r"the same eval_strategy \(epoch\) and save_strategy \(steps\)",
        ),
        (
            {
                "train.load_best_model_at_end": True,
                "train.eval_strategy": "steps",
                "train.eval_steps": 10,
                "train.save_steps": 25,
            },
            r"save_steps \(25\) to be eval_steps \(10\)",
        ),
        ({"train.num_processes": 2}, r"num_processes is 2, but launcher is none"),
        (
            {"train.fsdp": True, "train.deepspeed": {"zero_optimization": {"stage": 2}}},
            r"fsdp and deepspeed exclude each other",
        ),
        (
            {"train.launcher_args": ["--config_file", "fsdp.yaml"]},
            r"a configuration file, whose content would decide the result unseen",
        ),
        ({"train.save_total_limit": 1}, r"save_total_limit: .*greater than or equal to 2"),
        ({"tracking.trackers": ["comet"]}, r"tracking\.trackers\.0: .*'mlflow'"),
    ],
)
def test_choices_that_contradict_each_other_are_named(
    params: dict[str, Any], tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    for key, value in changes.items():
        put(params, key, value)
    problem = problem_of(params, tmp_path)
    assert re.search(expected, problem), problem


def test_an_unquoted_no_means_no(params: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(dump_yaml(params), "utf-8")
    assert "eval_strategy: no\n" in path.read_text("utf-8")
    assert read_params(path).train.eval_strategy == "no"


@pytest.mark.fault("parameters")
def test_a_missing_key_is_named(params: dict[str, Any], tmp_path: Path) -> None:
    del params["lora"]["r"]
    assert "lora.r: missing" in problem_of(params, tmp_path)


def test_all_problems_are_told_at_once(params: dict[str, Any], tmp_path: Path) -> None:
    params["lora"]["r"] = -1
    params["train"]["seed"] = "0"
    problem = problem_of(params, tmp_path)
    assert "2 problems" in problem
    assert "lora.r" in problem
    assert "train.seed" in problem


def test_a_hub_model_needs_no_description_of_the_tiny_one(params: dict[str, Any]) -> None:
    base = {"name": "google/gemma-3-4b-it", "revision": "0" * 40}
    for given in (base, {**params["models"]["base"], **base}):  # the latter by `dvc exp run -S`
        params["models"]["base"] = given
        assert Params.model_validate(params).models["base"].name == base["name"]


def test_weights_may_be_named_by_address(params: dict[str, Any]) -> None:
    params["models"]["base"] = {"name": "google/gemma-3-270m", "revision": None, "gguf": GGUF}
    assert Params.model_validate(params).models["base"].gguf is not None


@pytest.mark.fault("parameters")
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("- a\n- b\n")
    with pytest.raises(VerdictError, match="not a mapping"):
        read_params(path)


def test_replicates_have_their_own_seeds_and_are_evaluated(params: dict[str, Any]) -> None:
    params["replicates"] = {"tuned_again": params["train"]["seed"]}
    with pytest.raises(ValidationError, match="repeats a seed"):
        Params.model_validate(params)
    params["replicates"] = {"tuned_again": 7}
    with pytest.raises(ValidationError, match=r"add tuned_again to evaluate\.models"):
        Params.model_validate(params)
    entry = {"model": "models/base", "adapter": "models/adapter"}
    params["evaluate"]["models"]["tuned_again"] = entry
    with pytest.raises(ValidationError, match="write models/replicates/tuned_again"):
        Params.model_validate(params)
    entry["adapter"] = "models/replicates/tuned_again"
    assert Params.model_validate(params).replicates == {"tuned_again": 7}


@pytest.mark.parametrize("place", ["theirs", "adapters/of-others", "/srv/adapters/x", "models/new"])
def test_an_adapter_of_others_may_lie_anywhere_or_be_fetched(
    params: dict[str, Any], place: str
) -> None:
    params["models"]["new"] = {"name": "owner/adapter", "revision": "a" * 40}
    entry = {"model": "models/base", "adapter": place}
    params["evaluate"]["models"]["theirs"] = entry
    assert Params.model_validate(params).evaluate.models["theirs"].adapter == place


@pytest.mark.parametrize("place", ["models/old", "data/x", "./metrics/x", "a/../models/x"])
def test_an_adapter_of_others_does_not_lie_where_stages_write(
    params: dict[str, Any], place: str
) -> None:
    params["evaluate"]["models"]["theirs"] = {"model": "models/base", "adapter": place}
    with pytest.raises(ValidationError, match=r"its own folder outside of models/, or models/NAME"):
        Params.model_validate(params)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("replicates", {"size": 3}),
        ("dataset", {"nfiles": 3}),
        ("fetch.embedded", {"deep": {"size": 3}}),
    ],
)
def test_a_key_that_dvcs_run_cache_does_not_see_is_refused(
    params: dict[str, Any], key: str, value: Any
) -> None:
    *parents, last = key.split(".")
    section = params
    for part in parents:
        section = section[part]
    section[last] = value
    with pytest.raises(ValidationError, match=rf"not notice a change of {key}\.(deep\.)?(size|nf)"):
        Params.model_validate(params)
