"""Training under real DVC: killed, stopped, resumed, refused, and spread over two processes.

``make bench name=resume`` kills and resumes every kind of training; here one of each way to end.
"""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.interruption import SHORT, copy_project, edit, interrupt, repro, results
from testing.project import Project, Small

#: One thread each, no dropout, so that one and two processes compute the same sums.
SETTINGS = {
    **SHORT,
    "quantization.load_in_4bit": False,
    "lora.lora_dropout": 0.0,
    "train.max_steps": 18,
    "train.logging_steps": 1,
    "train.save_steps": 4,
    "train.dataloader_num_workers": 0,
}


@pytest.fixture(scope="module")
def prepared(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with everything that training needs.

    The small recipe's cache has it; training itself is forced, and takes nothing from a cache.
    """
    project = copy_project(tmp_path_factory.mktemp("training") / "project")
    small.share_cache(Project(project))
    edit(project, SETTINGS)
    repro(project, "format", "fetch_model@base")
    return project


@pytest.fixture(scope="module")
def expected(prepared: Path) -> dict[str, bytes]:
    """What training leaves when nobody interrupts it."""
    repro(prepared, "train")
    # What extraction keeps between runs lies there, too.
    assert {path.name for path in prepared.glob(".checkpoints/*")} <= {"extract", "train"}
    assert not list(prepared.glob(".checkpoints/train/*"))
    return results(prepared)


@pytest.fixture
def project(prepared: Path, expected: dict[str, bytes]) -> Iterator[Path]:
    """The same project, put back to the common settings afterwards."""
    yield prepared
    edit(prepared, {**SETTINGS, "lora.r": 16, **SINGLE})


SINGLE = {
    "train.launcher": "none",
    "train.num_processes": 1,
    "train.per_device_train_batch_size": 16,
    "train.num_train_epochs": 3,
}


def stage(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.train"],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def losses(project: Path) -> list[float]:
    with (project / "metrics/plots/loss.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.fault("kills")
def test_killed_mid_epoch_and_resumed_to_the_byte(
    project: Path, expected: dict[str, bytes]
) -> None:
    output, _ = interrupt(project, 8, signal.SIGKILL)
    assert "ERROR: failed to reproduce 'train'" in output
    assert not (project / "models/adapter").exists()
    assert "resuming from .checkpoints/" in repro(project, "train")
    assert results(project) == expected


@pytest.mark.fault("kills")
def test_sigterm_saves_ends_in_time_and_resumes(project: Path, expected: dict[str, bytes]) -> None:
    output, lived = interrupt(project, 4, signal.SIGTERM)
    assert lived < 12
    assert "train: stopped by SIGTERM after step " in output
    assert "Traceback" not in output
    # Another rank is another run: it must not go on from these checkpoints.
    edit(project, {"lora.r": 8})
    assert "resuming" not in repro(project, "train")
    edit(project, {"lora.r": 16})
    assert "resuming from .checkpoints/" in repro(project, "train")
    assert results(project) == expected


@pytest.mark.fault("several at once")
def test_of_two_trainers_one_is_refused(project: Path, expected: dict[str, bytes]) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "stages.train"],
            cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    refused = outputs[0] if both[0].returncode else outputs[1]
    assert "another training with the same parameters, data and base is running" in refused
    assert results(project) == expected


def test_two_processes_learn_the_same_and_only_the_first_writes(
    project: Path, expected: dict[str, bytes]
) -> None:
    alone = losses(project)
    edit(
        project,
        {
            "train.launcher": "torchrun",
            "train.num_processes": 2,
            "train.per_device_train_batch_size": 8,
        },
    )
    output = repro(project, "train")
    assert output.count("pre-flight ") == 1
    assert output.count("train: 18/18 steps") == 1
    # 162 rows in eleven batches of 16: the last has two, of which each process gets some.
    together = losses(project)
    assert len(together) == len(alone) == 18
    assert together == pytest.approx(alone, rel=1e-3)
    assert results(project).keys() == expected.keys()
    provenance = [
        json.loads(files["models/adapter/provenance.json"])
        for files in (results(project), expected)
    ]
    assert provenance[0]["consumed"]["rows"] == provenance[1]["consumed"]["rows"]


@pytest.mark.fault("kills")
def test_sigterm_reaches_every_process_of_a_launcher(
    project: Path, expected: dict[str, bytes]
) -> None:
    edit(
        project,
        {
            "train.launcher": "torchrun",
            "train.num_processes": 2,
            "train.per_device_train_batch_size": 8,
            # torchrun sends the signal to these processes, too.
            "train.dataloader_num_workers": 1,
            # Long enough that the signal finds both at work.
            "train.max_steps": 400,
            "train.num_train_epochs": 40,
        },
    )
    output, lived = interrupt(project, 4, signal.SIGTERM)
    assert lived < 12
    assert "train: stopped by SIGTERM after step " in output
    assert not (project / "models/adapter").exists()
    assert len(list(project.glob(".checkpoints/train/*/checkpoint-*/sealed.json"))) == 2


def test_a_launcher_that_starts_too_few_processes_is_found_out(project: Path) -> None:
    edit(
        project,
        {
            "train.launcher": "accelerate",
            "train.num_processes": 2,
            "train.per_device_train_batch_size": 8,
        },
    )
    result = stage(project)
    assert result.returncode != 0
    assert "train.num_processes is 2, but accelerate started 1" in result.stdout
