"""Is training byte-identical when it is repeated, and when it is killed and resumed?

``make bench name=resume`` trains the embedded recipe, shortened, in a fresh copy of the project:
as LoRA, as QLoRA and as a classifier; each once without interruption, then killed (``kill -9``) in
the middle of an epoch and right after an epoch's end, and resumed by ``dvc repro``. Every file of
the adapter (its provenance holds the hash of all consumed rows, in order), the loss curve and the
metrics are compared byte by byte.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.table import Figure, conclude
from verdict.core.paths import ADAPTER, PLOTS, PREFLIGHT_METRICS, TRAIN_METRICS
from verdict.core.yaml12 import dump_yaml, load_yaml

ROOT = Path(__file__).resolve().parent.parent
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
KINDS: dict[str, dict[str, Any]] = {
    "LoRA": {"quantization.load_in_4bit": False},
    "QLoRA": {"quantization.load_in_4bit": True},
    "classifier": {"model.task": "classify", "quantization.load_in_4bit": True},
}
#: When to save, and after which checkpoint to kill: an epoch has eleven steps.
MOMENTS: dict[str, tuple[dict[str, Any], int]] = {
    "mid-epoch": ({"train.save_strategy": "steps", "train.save_steps": 7}, 14),
    "epoch's end": ({"train.save_strategy": "epoch", "train.save_steps": 7}, 22),
}


def copy_project(destination: Path) -> Path:
    """Copy the work tree (without data and environment) and make it a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, destination / name)
    subprocess.run(["git", "init", "--quiet"], cwd=destination, check=True)
    return destination


def edit(project: Path, changes: dict[str, Any]) -> None:
    """Change parameters, named by their dotted keys."""
    path = project / "params.yaml"
    values = load_yaml(path.read_bytes(), path)
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = values
        for part in parents:
            section = section[part]
        section[last] = value
    path.write_text(dump_yaml(values), "utf-8")


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


def main() -> None:
    repeated, resumed = [], []
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        edit(project, SHORT)
        repro(project, "format", "fetch_model@base")
        for kind, settings in KINDS.items():
            for moment, (saving, step) in MOMENTS.items():
                edit(project, {**settings, **saving})
                repro(project, "train")
                expected = results(project)
                if moment == "mid-epoch" and kind != "classifier":
                    repro(project, "train")
                    repeated.append(results(project) == expected)
                    print(f"{kind}, repeated: {_verdict(repeated[-1])}")
                interrupt(project, step, signal.SIGKILL)
                said = repro(project, "train")
                continued = f"checkpoint-{step}" in said and "resuming from" in said
                resumed.append(continued and results(project) == expected)
                print(f"{kind}, killed at {moment} and resumed: {_verdict(resumed[-1])}")
    conclude(
        "training repeated, and killed and resumed",
        [
            Figure("repeated runs, byte-identical", sum(repeated), "of 2", "=", 2),
            Figure("killed and resumed runs, byte-identical", sum(resumed), "of 6", "=", 6),
        ],
    )


def _verdict(equal: bool) -> str:
    return "byte-identical" if equal else "DIFFERENT"


if __name__ == "__main__":
    main()
