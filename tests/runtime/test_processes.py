"""Which launcher is started, with what, and that a wish to stop gets through it.

The rest runs in tests/pipeline/test_training.py.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.places import ROOT
from verdict.params.training import Train
from verdict.runtime import processes

COMMITTED: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["train"]


def train(**changes: Any) -> Train:
    return Train(**{**COMMITTED, **changes})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the command instead of training; the process that runs ends with 7."""
    commands: list[list[str]] = []
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return real([sys.executable, "-c", "raise SystemExit(7)"], **options)

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    return commands


def test_without_a_launcher_nothing_is_started(started: list[list[str]]) -> None:
    processes.launch(train(), "stages.train")
    assert started == []


def test_torchrun_on_one_machine_ends_with_its_code(started: list[list[str]]) -> None:
    with pytest.raises(SystemExit) as ended:
        processes.launch(train(launcher="torchrun", num_processes=2), "stages.train")
    assert ended.value.code == 7
    (command,) = started
    assert command[1:] == [
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "stages.train",
    ]  # fmt: skip


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_torchrun_on_several_machines_is_not_standalone(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    arguments = ["--nnodes=2"] if by == "argument" else []
    if by == "variable":
        monkeypatch.setenv("PET_NNODES", "2")
    options = train(launcher="torchrun", num_processes=2, launcher_args=arguments)
    with pytest.raises(SystemExit):
        processes.launch(options, "stages.train")
    assert "--standalone" not in started[0]
    assert started[0][-2 - len(arguments) : -2] == arguments


def test_accelerate_gets_the_count_and_the_arguments(started: list[list[str]]) -> None:
    options = train(
        launcher="accelerate", num_processes=4, launcher_args=["--mixed_precision", "bf16"]
    )
    with pytest.raises(SystemExit):
        processes.launch(options, "stages.train")
    assert started[0][1:] == [
        "-m", "accelerate.commands.launch", "--num_processes", "4",
        "--mixed_precision", "bf16", "-m", "stages.train",
    ]  # fmt: skip


#: Takes a while to save, as training does, and ends as that does.
TRAINING = """
import os, signal, sys, time
from pathlib import Path
from tests.runtime.test_processes import train
from verdict.runtime.processes import launch

launch(train(launcher=sys.argv[1], num_processes=int(sys.argv[2])), "training", *sys.argv[1:])
rank = os.environ.get("RANK", "0")

def save(number, _):
    time.sleep(1)
    Path(f"saved-{rank}").write_text(signal.Signals(number).name)
    sys.exit(1)

signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
Path(f"ready-{rank}").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("launcher", "count", "number"),
    [("torchrun", 2, signal.SIGINT), ("accelerate", 1, signal.SIGTERM)],
    ids=["torchrun", "accelerate"],
)
def test_a_wish_to_stop_reaches_the_training_which_is_waited_for(
    tmp_path: Path, launcher: str, count: int, number: signal.Signals
) -> None:
    (tmp_path / "training.py").write_text(TRAINING)
    process = subprocess.Popen(
        [sys.executable, "-m", "training", launcher, str(count)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while len(list(tmp_path.glob("ready-*"))) < count:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == 1
    saved = {path.name: path.read_text() for path in tmp_path.glob("saved-*")}
    assert saved == {f"saved-{rank}": number.name for rank in range(count)}
