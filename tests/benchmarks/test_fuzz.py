"""The fuzzer counts whatever is unexpected, and finds nothing in a few inputs of each entry."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks import fuzz
from testing.places import ROOT
from verdict.core.errors import VerdictError

pytestmark = pytest.mark.filterwarnings("ignore")


def some_end_badly(_: Path) -> fuzz.Attempt:
    def attempt(rng: Random) -> None:
        chance = rng.random()
        if chance < 0.3:
            raise VerdictError("line 3 is wrong")
        if chance < 0.5:
            raise KeyError("unexpected")

    return attempt


def the_process_ends(_: Path) -> fuzz.Attempt:
    return lambda rng: os._exit(3) if rng.random() < 0.2 else None


def one_hangs(_: Path) -> fuzz.Attempt:
    return lambda rng: time.sleep(60) if rng.random() < 0.2 else None


@pytest.mark.parametrize(
    ("entry", "refused", "unexpected"),
    [(some_end_badly, 60, 43), (the_process_ends, 0, 1), (one_hangs, 0, 1)],
)
def test_what_is_unexpected_is_counted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    entry: Callable[[Path], fuzz.Attempt],
    refused: int,
    unexpected: int,
) -> None:
    monkeypatch.setitem(fuzz.ENTRIES, "bad", (entry, 200))
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    found = fuzz.run("bad", 200)
    assert (found["refused"], len(found["unexpected"])) == (refused, unexpected)
    figure = fuzz.report("bad", 200, found)
    assert not figure.reached
    assert re.search(r"^bad -?\d+ \(\d+ times\): ", capsys.readouterr().out)


def test_a_few_inputs_of_each_entry_end_in_a_message() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--inputs", "40"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout.count("reached") == len(fuzz.ENTRIES), ended.stdout + ended.stderr
    assert ended.returncode == 1  # since these are few
