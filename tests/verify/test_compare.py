"""The rule by which two runs have the same result, and the command that applies it."""

import copy
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from tests.verify.miniature import git
from verdict.core.paths import COMPARISON
from verdict.core.yaml12 import dump_yaml, load_yaml
from verify.compare import judge, main

Run = dict[str, Any]


@pytest.fixture(scope="module")
def lock() -> Run:
    stages: Run = load_yaml((ROOT / "dvc.lock").read_text("utf-8"), "dvc.lock")["stages"]
    return stages


@pytest.fixture
def numbers() -> Run:
    """What a run of the default could find; of the committed one no number is needed here."""
    run: Run = {
        "verdict": "Tuning raised balanced accuracy from 0.48 to 0.91 "
        "(+0.43, 95 % CI 0.40 to 0.47, p < 0.001, 69 synthetic patients).",
        "kind": "binary",
        "candidate": "tuned",
        "baseline": "base",
        "models": ["base", "tuned"],
        "replicates": [],
        "records": 374,
        "groups": 69,
    }
    for key, value, low, high in (
        ("base.balanced_accuracy", 0.477, 0.460, 0.494),
        ("tuned.balanced_accuracy", 0.909, 0.876, 0.940),
        ("tuned.auroc", 0.966, 0.943, 0.984),
        ("tuned_minus_base.balanced_accuracy", 0.432, 0.399, 0.465),
    ):
        run |= {key: value, f"{key}_low": low, f"{key}_high": high}
    return run


def changed(lock: Run, path: str) -> Run:
    other = copy.deepcopy(lock)
    for stage in other.values():
        for out in stage["outs"]:
            out["md5"] = "0" * 32 if out["path"] == path else out["md5"]
    return other


def test_the_same_bytes_are_identical(lock: Run, numbers: Run) -> None:
    same, said = judge(lock, copy.deepcopy(lock), numbers, dict(numbers))
    assert same
    assert said.startswith("identical: all ")


@pytest.mark.parametrize(
    "edits",
    [
        {},
        {"tuned.auroc": 0.9661},
        {
            "tuned_minus_base.balanced_accuracy": 0.41,
            "verdict": "Tuning raised balanced accuracy from 0.48 to 0.89 "
            "(+0.41, 95 % CI 0.38 to 0.45, p = 0.002, 69 synthetic patients).",
        },
    ],
)
def test_other_last_digits_are_equivalent(lock: Run, numbers: Run, edits: Run) -> None:
    same, said = judge(lock, changed(lock, "models/base"), numbers, numbers | edits)
    assert same, said
    assert "the others equivalent (models/base)" in said
    assert "the verdict stands" in said


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"tuned.balanced_accuracy": 0.87}, "tuned.balanced_accuracy: committed 0.909"),
        # The committed interval holds the number here, but not the other way round.
        ({"tuned.auroc_low": 0.97}, "tuned.auroc: committed 0.966"),
        ({"tuned.auroc": None}, "tuned.auroc: committed 0.966 (0.943 to 0.984), here undefined"),
        ({"tuned_minus_base.balanced_accuracy_low": -0.01}, "its interval is above zero"),
        ({"records": 373}, "another verdict"),
        (
            {"verdict": "Tuning lowered balanced accuracy from 0.48 to 0.91 (+0.43)."},
            "another verdict",
        ),
        (
            {"verdict": "Tuning could not be shown to change balanced accuracy: 0.91 after."},
            "another verdict",
        ),
    ],
)
def test_another_result_is_different(lock: Run, numbers: Run, edits: Run, reason: str) -> None:
    same, said = judge(lock, changed(lock, "models/base"), numbers, numbers | edits)
    assert not same
    assert "DIFFERENT" in said
    assert reason in said


@pytest.mark.parametrize("path", ["data/chat", "data/raw", "metrics/split.json"])
def test_no_processor_excuses_other_data(lock: Run, numbers: Run, path: str) -> None:
    same, said = judge(lock, changed(lock, path), numbers, dict(numbers))
    assert not same
    assert f"{path} is not as committed, which no processor excuses" in said


@pytest.fixture
def project(numbers: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed recipe with these numbers."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    shutil.copy(ROOT / "dvc.lock", "dvc.lock")
    finish(numbers)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "As it ran")
    return tmp_path


def finish(numbers: Run) -> None:
    """Write numbers and their hash, as a finished run does."""
    text = json.dumps(numbers)
    COMPARISON.parent.mkdir(parents=True, exist_ok=True)
    COMPARISON.write_text(text)
    edit_lock(_md5_of(Path("dvc.lock")), hashlib.md5(text.encode()).hexdigest())


def edit_lock(before: str, after: str) -> None:
    text = Path("dvc.lock").read_text()
    assert before in text
    Path("dvc.lock").write_text(text.replace(before, after))


def _md5_of(lock: Path) -> str:
    outs = load_yaml(lock.read_text(), lock)["stages"]["compare"]["outs"]
    return str(next(out["md5"] for out in outs if out["path"] == str(COMPARISON)))


def test_command_on_same_equivalent_and_other_results(
    project: Path, numbers: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    assert "Compared with the commit: identical" in capsys.readouterr().out
    finish(numbers | {"tuned.auroc": 0.965})
    assert main([]) == 0
    assert f"equivalent ({COMPARISON})" in capsys.readouterr().out
    finish(numbers | {"verdict": numbers["verdict"].replace("raised", "lowered")})
    assert main([]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_other_processor_is_the_same_experiment_and_another_seed_is_not(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_lock("cpu_isa: avx2", "cpu_isa: native")
    assert main([]) == 0
    assert "identical" in capsys.readouterr().out
    edit_lock("learning_rate: ", "learning_rate: 1")
    assert main([]) == 0
    assert capsys.readouterr().out == (
        "Not compared: this is another experiment than the committed one (train.learning_rate).\n"
    )


def broken(stage: str) -> bytes:
    """Return the lock with something else for the stage ``compare``."""
    lock = load_yaml(Path("dvc.lock").read_bytes(), "dvc.lock")
    lock["stages"]["compare"] = "HERE"
    return dump_yaml(lock).replace("HERE", stage).encode("latin-1")


@pytest.mark.parametrize(
    "stage", ["7", "[7]", "{}", "{cmd: x, outs: [7]}", "{cmd: x, deps: 7}", "\xff"]
)
@pytest.mark.parametrize("committed", [True, False])
def test_a_lock_that_dvc_did_not_write_is_not_judged(
    project: Path, capsys: pytest.CaptureFixture[str], stage: str, committed: bool
) -> None:
    sound = Path("dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(broken(stage))
    if committed:
        git(project, "commit", "--quiet", "--all", "-m", "Something else")
        Path("dvc.lock").write_bytes(sound)
    assert main([]) == 2
    assert re.search(r"dvc\.lock.*`dvc repro`|UTF-8", capsys.readouterr().err)


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 9999, '{"verdict": 1}', {"tuned.balanced_accuracy": 10**400}]
)
def test_numbers_that_the_pipeline_did_not_write_are_not_judged(
    project: Path, numbers: Run, capsys: pytest.CaptureFixture[str], text: str | Run
) -> None:
    text = text if isinstance(text, str) else json.dumps(numbers | text)
    COMPARISON.write_text(text)
    git(project, "commit", "--quiet", "--all", "-m", "Something else")
    finish(numbers)
    assert main([]) == 2
    assert "is not as the pipeline writes it" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_not_judged(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    COMPARISON.write_text("{}")
    assert main([]) == 2
    assert f"{COMPARISON} is not what dvc.lock records" in capsys.readouterr().err
