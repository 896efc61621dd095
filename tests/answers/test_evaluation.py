"""A killed evaluation goes on where it stopped, and ends as if it had not been killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.places import ROOT
from testing.tiny import Tiny, ask_tiny
from verdict.answers.evaluation import FinishedBatches, folder_for
from verdict.answers.evaluator import BatchResult, Prediction
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

BATCHES = [["a", "b"], ["c", "d"], ["e"]]


def results() -> list[BatchResult]:
    return [
        BatchResult([Prediction([-1 / 3 + number * 1e-17], "Sí…\n")] * len(ids), {"score": {}})
        for number, ids in enumerate(BATCHES)
    ]


def fill(folder: Path) -> FinishedBatches:
    finished = FinishedBatches(folder)
    for number, result in enumerate(results()):
        finished.write(number, BATCHES[number], result)
    return finished


def test_what_was_kept_is_read_to_the_last_bit(tmp_path: Path) -> None:
    assert fill(tmp_path).read(BATCHES) == results()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.mark.fault("kills")
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"c"', b'"x"')),
        lambda path: path.write_bytes(path.with_name("batch-000000.json").read_bytes()),
    ],
    ids=["missing", "empty", "cut off", "changed", "of other records"],
)
def test_what_cannot_be_used_ends_what_was_kept(tmp_path: Path, damage: Any) -> None:
    finished = fill(tmp_path)
    damage(tmp_path / "batch-000001.json")
    assert finished.read(BATCHES) == results()[:1]


def test_other_batches_are_not_taken_for_these(tmp_path: Path) -> None:
    assert fill(tmp_path).read([["a"], ["b"]]) == []


def test_whatever_decides_the_answers_decides_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter").mkdir()
    weights, chat = tmp_path / "adapter/weights", tmp_path / "test.jsonl"
    weights.write_bytes(b"1")
    chat.write_bytes(b"{}")

    def key(**settings: Any) -> Path:
        return folder_for([Path("adapter"), Path("test.jsonl")], {"batch_size": 2, **settings})

    first = key()
    assert first.parent == Path(".checkpoints/evaluate")
    assert key() == first
    assert key(batch_size=4) != first
    weights.write_bytes(b"2")
    changed = key()
    assert changed != first
    chat.write_bytes(b"{ }")
    assert key() not in {first, changed}
    monkeypatch.setattr(
        "verdict.answers.evaluation.digests_of_sources", lambda *_: {"answers/score.py": "00"}
    )
    assert key() != changed
    chat.unlink()
    with pytest.raises(VerdictError, match=r"test\.jsonl is not here; run `dvc repro`"):
        key()


def ask(tiny: Tiny, loaded: Any, folder: Path) -> Any:
    return ask_tiny(tiny, loaded, finished=FinishedBatches(folder))


def test_a_resumed_run_scores_as_the_first_batch_decided(
    tiny: Tiny,
    loaded: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from verdict.answers import score

    whole = ask(tiny, loaded, tmp_path)
    assert ask(tiny, loaded, tmp_path) == whole
    assert "x: resuming: 3 of 3 batches were done" in capsys.readouterr().out
    (tmp_path / "batch-000001.json").unlink()

    def never(*_: Any) -> None:
        raise AssertionError("the first batch has decided")

    monkeypatch.setattr(score, "_in_full", never)
    assert ask(tiny, loaded, tmp_path) == whole
    assert "x: resuming: 1 of 3 batches were done" in capsys.readouterr().out


@pytest.fixture
def project(tiny: Tiny, taught: Path, tmp_path: Path) -> Path:
    """A project's folder in which the evaluate stage runs, asking one record at a time."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"batch_size": 1, "max_new_tokens": 12, "validation": True}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (tmp_path / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    for folder in ("data/chat", "models"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/records").symlink_to(tiny.records)
    (tmp_path / "models/base").symlink_to(tiny.base)
    (tmp_path / "models/adapter").symlink_to(taught)
    # The training split has the most rows.
    for name, source in {"test": "train", "validation": "validation"}.items():
        (tmp_path / f"data/chat/{name}.jsonl").symlink_to(tiny.chat / f"{source}.jsonl")
    (tmp_path / "data/chat/answers.json").symlink_to(tiny.chat / "answers.json")
    return tmp_path


#: The evaluate stage, which kills itself once its fifth batch is kept.
KILLED = """
import os, runpy, signal
from verdict.runtime import resume

seal = resume.seal

def seal_and_end(path, *rest):
    seal(path, *rest)
    if path.name == "batch-000004.json":
        os.kill(os.getpid(), signal.SIGKILL)

resume.seal = seal_and_end
runpy.run_module("stages.evaluate", run_name="__main__")
"""


def start(project: Path, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *(command or ("-m", "stages.evaluate")), "tuned"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(project: Path) -> dict[str, bytes]:
    """Take what the stage has written."""
    written = [*project.glob("data/predictions/**/*.parquet"), *project.glob("metrics/**/*.*")]
    found = {path.relative_to(project).as_posix(): path.read_bytes() for path in written}
    for path in written:
        path.unlink()
    return found


@pytest.mark.fault("kills")
def test_killed_and_resumed_is_the_same_to_the_byte(project: Path) -> None:
    process = start(project)
    out, error = process.communicate()
    assert process.returncode == 0, error
    assert "resuming" not in out
    assert "evaluate tuned: 12/12 records, " in error
    whole = outputs(project)
    assert set(whole) == {
        "data/predictions/tuned.parquet",
        "data/predictions/validation/tuned.parquet",
        "metrics/tuned.json",
        "metrics/plots/confusion_tuned.csv",
        "metrics/plots/roc_tuned.csv",
    }
    assert json.loads(whole["metrics/tuned.json"])["accuracy"] == 1
    assert not list(project.glob(".checkpoints/evaluate/*"))

    process = start(project, "-c", KILLED)
    _, error = process.communicate()
    assert process.returncode == -signal.SIGKILL, error
    assert outputs(project) == {}
    process = start(project)
    out, error = process.communicate()
    assert process.returncode == 0, error
    [line] = [line for line in out.splitlines() if "resuming" in line]
    assert line == "tuned: resuming: 5 of 12 batches were done"
    assert outputs(project) == whole
    assert not list(project.glob(".checkpoints/evaluate/*"))


def test_a_split_that_is_not_asked_about_has_a_file_without_rows(project: Path) -> None:
    from verdict.predictions import read_predictions

    params = yaml.safe_load((project / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"batch_size": 8, "validation": False, "length_normalization": "tokens"}
    params["compare"] |= {"sensitivity": None, "cost": None}
    (project / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    process = start(project)
    assert process.wait() == 0, process.communicate()[1]
    test, validation = (
        read_predictions(project / "data/predictions" / path)
        for path in ("tuned.parquet", "validation/tuned.parquet")
    )
    assert (len(test), len(validation)) == (12, 0)
    assert validation.labels == test.labels
    assert test.length_normalization == validation.length_normalization == "tokens"
    curve = (project / "metrics/plots/roc_tuned.csv").read_text().splitlines()
    assert curve[0] == "false_positive_rate,true_positive_rate"
    assert (curve[1], curve[-1]) == ("0.0,0.0", "1.0,1.0")
