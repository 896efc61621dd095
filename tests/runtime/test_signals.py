"""A wish to end is heard, and is not waited for longer than it may be."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from testing.places import ROOT
from verdict.runtime import signals
from verdict.runtime.signals import Stopped


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.fault("kills")
def test_a_signal_before_the_first_step_ends_at_once() -> None:
    with pytest.raises(Stopped, match="SIGTERM before the first step"), signals.heed_signals():
        terminate()


@pytest.mark.fault("kills")
def test_a_step_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(signals, "GRACE", 0.05)
    monkeypatch.setattr(signals, "_give_up", given_up.set)
    with signals.heed_signals() as wish:
        wish.training = True
        terminate()
        assert wish.signal == "SIGTERM"
        assert given_up.wait(5)
    given_up.clear()
    monkeypatch.setattr(signals, "GRACE", 1.0)
    with signals.heed_signals() as wish:
        wish.training = True
        terminate()
    assert not given_up.wait(1.5)  # the run ended in time


LONG_OPERATION = """
import os, subprocess
import torch
from verdict.runtime import signals
signals.GRACE = 1.0
with signals.heed_signals() as wish:
    wish.training = True
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -TERM {os.getpid()}"])
    # One call into C, during which no handler of Python's runs.
    torch.linalg.eigvals(torch.rand(3000, 3000, dtype=torch.float64))
    print("finished")
"""


def test_one_long_operation_does_not_hold_up_the_end() -> None:
    pytest.importorskip("torch")
    result = subprocess.run(
        [sys.executable, "-c", LONG_OPERATION], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 128 + signal.SIGTERM
    assert "finished" not in result.stdout
    assert "resumes from the last complete checkpoint" in result.stderr
