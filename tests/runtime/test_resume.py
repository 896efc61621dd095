"""What killed work keeps: used only if it is complete, and one process's at a time."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from verdict.core.errors import VerdictError
from verdict.runtime.resume import (
    discard,
    exclusive,
    folder_of,
    newest_checkpoint,
    seal_checkpoint,
)

TRAINING = "training", "train"


@pytest.mark.fault("several at once")
def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    with (
        exclusive(folder, "evaluation", "evaluate"),
        pytest.raises(VerdictError, match=r"another evaluation is running .*stages\.evaluate"),
        exclusive(folder, "evaluation", "evaluate"),
    ):
        pass
    with exclusive(folder, "evaluation", "evaluate"):
        discard(folder)
    assert not folder.exists()


def test_a_folder_is_named_by_kind_and_by_what_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = folder_of("extract", {"size": 64})
    assert first.parent == Path(".checkpoints/extract")
    assert folder_of("extract", {"size": 64}) == first != folder_of("extract", {"size": 65})


def make(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_bytes(bytes(range(256)) * 4)
    (checkpoint / "state.json").write_text(f'{{"step": {step}}}')
    seal_checkpoint(checkpoint)
    return checkpoint


def test_the_newest_by_number_is_taken(tmp_path: Path) -> None:
    for step in (5, 100, 20):
        make(tmp_path, step)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-100"
    assert newest_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.fault("kills")
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c: (c / "weights").write_bytes(b"\0" * 100), "weights has 100 of 1024 bytes"),
        (lambda c: (c / "weights").write_bytes(b"\0" * 1024), "weights is damaged"),
        (lambda c: (c / "state.json").unlink(), "state.json is missing"),
        (lambda c: (c / "sealed.json").unlink(), "it was cut off while it was written"),
        (lambda c: (c / "sealed.json").write_text("{"), "it was cut off while it was written"),
    ],
    ids=["truncated", "changed", "missing", "unsealed", "half-sealed"],
)
def test_a_damaged_one_falls_back_to_the_one_before_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: object, said: str
) -> None:
    make(tmp_path, 10)
    damage(make(tmp_path, 20))  # type: ignore[operator]
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    out = capsys.readouterr().out
    assert "checkpoint-20 is not complete" in out
    assert said in out
    assert not (tmp_path / "checkpoint-20").exists()


def test_whatever_decides_the_result_decides_the_folder() -> None:
    inputs = {"parameters": {"lora.r": 16}, "digests": {"models/base": "ab"}}
    same = {"digests": {"models/base": "ab"}, "parameters": {"lora.r": 16}}
    assert folder_of("train", inputs) == folder_of("train", same)
    assert folder_of("train", {**inputs, "parameters": {"lora.r": 32}}) != folder_of(
        "train", inputs
    )
    assert folder_of("train", {**inputs, "digests": {"models/base": "cd"}}) != folder_of(
        "train", inputs
    )


def test_an_experiments_checkpoints_outlive_its_temporary_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / ".dvc/tmp/exps/tmpabc"
    workspace.mkdir(parents=True)
    for place in (tmp_path, workspace):
        (place / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    directly = folder_of("train", {"a": 1})
    assert directly.parent == Path(".checkpoints/train")
    monkeypatch.chdir(workspace)
    assert folder_of("train", {"a": 1}).resolve() == (tmp_path / directly).resolve()


def _try(folder: Path, answers: "multiprocessing.Queue[str]") -> None:
    try:
        with exclusive(folder, *TRAINING):
            answers.put("held")
    except VerdictError as error:
        answers.put(str(error))


@pytest.mark.fault("several at once")
def test_a_second_trainer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    answers: multiprocessing.Queue[str] = multiprocessing.get_context("spawn").Queue()

    def second() -> str:
        process = multiprocessing.get_context("spawn").Process(
            target=_try, args=(tmp_path, answers)
        )
        process.start()
        answer = answers.get(timeout=60)
        process.join()
        return answer

    with exclusive(tmp_path, *TRAINING):
        assert "another training" in second()
    assert second() == "held"


@pytest.mark.fault("kills")
def test_a_killed_trainer_leaves_no_lock_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from verdict.runtime.resume import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'training', 'train'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(VerdictError, match="another training"), exclusive(tmp_path, *TRAINING):
        pass
    process.kill()
    process.wait()
    with exclusive(tmp_path, *TRAINING):
        pass


def test_of_several_processes_only_the_first_holds_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exclusive(tmp_path, *TRAINING):
        monkeypatch.setenv("RANK", "1")
        with exclusive(tmp_path, *TRAINING):
            pass


def test_a_finished_run_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with exclusive(folder, *TRAINING):
        make(folder, 10)
        discard(folder)
    assert not folder.exists()
    assert newest_checkpoint(folder) is None
