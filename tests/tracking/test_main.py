"""The command line: ``python -m verdict.tracking``."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.tracking.conftest import tracking

START = '{"event": "start", "time": 1, "trackers": [], "address": null}\n'


def test_without_a_command_it_explains_itself(project: Path) -> None:
    done = tracking()
    assert done.returncode == 0
    assert "python -m verdict.tracking" in done.stdout
    assert "upload" in done.stdout
    assert "follow" not in done.stdout


def test_a_missing_file_is_named(project: Path) -> None:
    done = tracking("upload", ".tracking/none.jsonl")
    assert done.returncode == 1
    assert "none.jsonl is not here; what waits for upload: ls .tracking/*.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no events"),
        ('{"event": "start"', "holds no events"),
        ("step,loss\n1,2\n", "line 1: this is no tracking event"),
        ('{"event": "log", "step": 1, "values": {}}\n', "line 1: this is no tracking event"),
        (START + "\x00\x00\n", "line 2: this is no tracking event"),
        (START + "[1, 2]\n", "line 2: this is no tracking event"),
    ],
    ids=["empty", "cut", "another file", "without its start", "damaged", "no event"],
)
def test_a_damaged_file_is_told_and_kept(project: Path, text: str, message: str) -> None:
    file = project / "run.jsonl"
    file.write_text(text)
    done = tracking("upload", str(file))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text() == text


def test_a_run_that_goes_on_is_left_alone(project: Path) -> None:
    file = project / "run.jsonl"
    file.write_text(START)
    with FileLock(file.with_suffix(".lock")):
        done = tracking("upload", str(file))
    assert done.returncode == 1
    assert "belongs to a run that is still going on" in done.stderr


def test_several_files_are_sent_each_for_itself(project: Path) -> None:
    good, bad = project / "good.jsonl", project / "bad.jsonl"
    good.write_text(START)
    done = tracking("upload", str(bad), str(good))
    assert done.returncode == 1
    assert "bad.jsonl is not here" in done.stderr
    assert "good.jsonl is sent, and deleted here" in done.stderr
    assert not good.exists()
