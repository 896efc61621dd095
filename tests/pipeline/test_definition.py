"""A stage reads the parameters that dvc.yaml lists for it, and no others."""

from pathlib import Path

import pytest

from testing.places import ROOT
from verdict.pipeline.definition import UnlistedParameterError, listed_params, load_params


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stage_gets_what_dvc_yaml_lists(project: Path) -> None:
    params = load_params("train")
    assert params.lora.r == 16
    assert params.lora.model_dump()["r"] == 16
    assert params.models["base"].name == "embedded"


@pytest.mark.parametrize(
    ("stage", "key"), [("train", "evaluate"), ("split", "lora"), ("evaluate@tuned", "train")]
)
def test_a_stage_gets_no_other_section(project: Path, stage: str, key: str) -> None:
    with pytest.raises(UnlistedParameterError, match=rf"stage {stage} reads the parameter {key}"):
        getattr(load_params(stage), key)


def test_a_stage_gets_no_other_key_of_a_section(project: Path) -> None:
    with pytest.raises(UnlistedParameterError, match=r"models\.base\.embedded"):
        load_params("train").models["base"].embedded  # noqa: B018


def test_a_planted_omission_in_dvc_yaml_is_caught(project: Path) -> None:
    text = (project / "dvc.yaml").read_text("utf-8")
    line = "        - model.dtype\n"
    assert line in text
    (project / "dvc.yaml").write_text(text.replace(line, "", 1), "utf-8")
    with pytest.raises(UnlistedParameterError, match=r"add `- model\.dtype`"):
        load_params("evaluate@tuned").model.dtype  # noqa: B018


def test_a_replicate_reads_what_training_reads_and_its_own_seed(project: Path) -> None:
    read = listed_params("replicate@tuned_again")
    assert read - listed_params("train") == {"replicates.tuned_again"}
    assert listed_params("train") < read


def test_an_evaluated_model_reads_its_own_entry_only(project: Path) -> None:
    params = load_params("evaluate@tuned")
    assert params.evaluate.models["tuned"].adapter == "models/adapter"
    with pytest.raises(UnlistedParameterError, match=r"evaluate\.models\.base"):
        params.evaluate.models["base"]
