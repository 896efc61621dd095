"""A run of training that is interrupted, and what it leaves."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from testing.project import Project, lay_out
from verdict.core.paths import ADAPTER, PLOTS, PREFLIGHT_METRICS, TRAIN_METRICS

#: What a run leaves; ``models/adapter`` is a folder.
RESULTS = (ADAPTER, TRAIN_METRICS, PREFLIGHT_METRICS, PLOTS)
#: Few rows and little pre-training; 162 rows in batches of 16 are 11 steps an epoch.
SHORT: dict[str, Any] = {
    "fetch.embedded.images": 240,
    "models.base.embedded.steps": 2,
    "train.num_train_epochs": 3,
    "train.logging_steps": 3,
    "tracking.trackers": [],
}


def copy_project(destination: Path) -> Path:
    """Copy the work tree (without data and environment) and make it a repository of its own."""
    return lay_out(destination).root


def edit(project: Path, changes: dict[str, Any]) -> None:
    """Change parameters, named by their dotted keys."""
    Project(project).edit({tuple(key.split(".")): value for key, value in changes.items()})


def repro(project: Path, *targets: str) -> str:
    """Run ``dvc repro``; return what it printed."""
    result = _start(project, *targets)
    output = result.communicate()[0]
    if result.returncode:
        raise SystemExit(f"dvc repro ended with {result.returncode}:\n{output}")
    return output


def interrupt(project: Path, step: int, number: signal.Signals) -> tuple[str, float]:
    """Start ``dvc repro train`` and signal the trainer once checkpoint ``step`` is complete.

    Returns:
        What was printed, and the seconds that the trainer lived on.
    """
    running = _start(project, "train")
    seal = f".checkpoints/train/*/checkpoint-{step}/sealed.json"
    while not any(project.glob(seal)):
        if running.poll() is not None:
            raise SystemExit(f"the run ended before step {step}:\n{running.communicate()[0]}")
        time.sleep(0.002)
    trainer = _trainer(running.pid)
    signalled = time.monotonic()
    trainer.send_signal(number)
    psutil.wait_procs([trainer], timeout=60)
    lived = time.monotonic() - signalled
    output = running.communicate()[0]
    if running.returncode == 0:
        raise SystemExit(f"the run finished before the signal came:\n{output}")
    return output, lived


def results(project: Path) -> dict[str, bytes]:
    """Return the bytes of every file that training wrote."""
    files: dict[str, bytes] = {}
    for name in RESULTS:
        path = project / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                files[file.relative_to(project).as_posix()] = file.read_bytes()
    if f"{ADAPTER}/adapter_model.safetensors" not in files:
        raise SystemExit(f"{project} holds no adapter; nothing was compared")
    return files


def _start(project: Path, *targets: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", *targets]
        if targets == ("train",)
        else ["dvc", "repro", *targets],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # No results from an earlier, equal run.
        env={**os.environ, "NO_COLOR": "1"},
    )


def _trainer(dvc: int) -> psutil.Process:
    """Return the training's own process, below dvc and its shell."""
    for process in psutil.Process(dvc).children(recursive=True):
        command = process.cmdline()
        if command[1:3] == ["-m", "stages.train"]:
            return process
    raise SystemExit("dvc runs, but no training below it")
