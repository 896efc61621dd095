"""Two processes compute a batch's halves, or one does both: the same bytes, and nobody is left."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from testing.places import ROOT

CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="needs Linux and two cores")

LEARN = """
import hashlib, os, signal, sys, time
import torch
from torch import nn
from verdict.tiny_models.halves import in_halves
from verdict.tiny_models.pretraining import optimise
from verdict.runtime.progress import progress

torch.set_num_threads(1)
torch.manual_seed(1)
model, head, unused = nn.Linear(40, 30), nn.Linear(30, 3), nn.Linear(2, 2)
seconds = []

def loss_of(rows, labels):
    if (step := len(seconds)) == 5:
        exec(sys.argv[1 if "RANK" in os.environ else 2])
    seconds.append(step)
    return nn.functional.cross_entropy(head(torch.tanh(model(rows))), labels)

def learn(halves):
    parameters = [p for module in (model, head, unused) for p in module.parameters()]
    generator = torch.Generator().manual_seed(2)
    with progress("learn", 30, "steps") as bar:
        for step in optimise(parameters, 1e-2, 30, bar, halves):
            labels = torch.randint(3, (9,), generator=generator)
            step(loss_of, (torch.rand(9, 40, generator=generator) + labels[:, None], labels))

in_halves(learn, model, head, unused)
weights = b"".join(p.detach().numpy().tobytes() for p in (*model.parameters(), *head.parameters()))
print(len(seconds), hashlib.sha256(weights).hexdigest())
"""


def start(second: str, cores: list[int], first: str = "pass") -> subprocess.Popen[str]:
    """Run that, with the processes doing something else in their sixth step."""
    code = f"import os; os.sched_setaffinity(0, {cores})\n{LEARN}"
    return subprocess.Popen(
        [sys.executable, "-c", code, second, first],
        cwd=ROOT, env={k: v for k, v in os.environ.items() if k != "RANK"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_one_process_and_two_learn_the_same() -> None:
    computed, weights = [], set()
    for cores in (CORES[:1], CORES):
        said, errors = start("pass", cores).communicate()
        assert errors.count("learn: 30/30 steps") == 1, errors
        count, digest = said.split()
        computed.append(int(count))
        weights.add(digest)
    assert computed == [60, 30], "two processes compute one half each"
    assert len(weights) == 1


@pytest.mark.fault("kills")
def test_an_end_of_the_second_process_ends_the_first_with_a_message() -> None:
    process = start("os.kill(os.getpid(), signal.SIGKILL)", CORES)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the second process of the pre-training ended with code -9" in errors


@pytest.mark.fault("kills")
def test_an_error_of_the_first_process_is_its_own_and_ends_both() -> None:
    process = start("pass", CORES, first="raise OSError('the disk is gone')")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.endswith("OSError: the disk is gone\n")


@pytest.mark.fault("kills")
def test_an_end_of_the_first_process_ends_the_second() -> None:
    process = start("print('waits', flush=True); time.sleep(5)", CORES)
    assert process.stdout
    assert process.stdout.readline() == "waits\n"
    (second,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert psutil.wait_procs([second], timeout=60)[1] == []
