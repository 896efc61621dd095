"""Everything that decides a stage's result, and nothing else, changes its inputs."""

import itertools
import shutil
from pathlib import Path

import pytest
import yaml

from testing.places import ROOT
from verdict.core.errors import VerdictError
from verdict.pipeline.inputs import stage_inputs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every dependency of the train stage, large ones as a small stand-in."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    definition = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]["train"]
    for name in definition["deps"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).suffix:
            path.write_text(name)
        else:
            path.mkdir()
            (path / "part").write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(project: Path, section: str, key: str, value: object) -> None:
    values = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    values[section][key] = value
    (project / "params.yaml").write_text(yaml.safe_dump(values), "utf-8")


def test_a_listed_parameter_a_file_and_a_folders_content_count(project: Path) -> None:
    before = stage_inputs("train").as_json()
    assert stage_inputs("train").as_json() == before
    assert before["parameters"]["lora"]["r"] == 16
    seen = [before]
    edit(project, "lora", "r", 8)
    seen.append(stage_inputs("train").as_json())
    (project / "verdict/training/part").write_text("other")
    seen.append(stage_inputs("train").as_json())
    (project / "models/base/part").write_text("other")
    seen.append(stage_inputs("train").as_json())
    assert all(a != b for a, b in itertools.pairwise(seen))


def test_what_the_stage_does_not_list_does_not_count(project: Path) -> None:
    before = stage_inputs("train").as_json()
    edit(project, "evaluate", "batch_size", 7)
    edit(project, "tracking", "trackers", [])
    (project / "verdict/models/__pycache__").mkdir()
    (project / "verdict/models/__pycache__/part.cpython-311.pyc").write_text("compiled")
    assert stage_inputs("train").as_json() == before


def test_a_missing_dependency_is_named(project: Path) -> None:
    shutil.rmtree(project / "data/records")
    with pytest.raises(VerdictError, match=r"data/records is not here; run `dvc repro`"):
        stage_inputs("train")
