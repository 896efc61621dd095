"""A disk that is full and a folder that cannot be written end a stage with one message."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.places import ROOT
from verdict.pipeline import stage


def _text() -> None:
    with open("/dev/full", "w") as file:
        file.write("x" * 100_000)


def _told_by_a_library() -> None:
    try:
        _text()
    except OSError:
        raise ValueError("could not be generated") from None


def _quota() -> None:
    raise OSError(errno.EDQUOT, "Disk quota exceeded", "data/records")


@pytest.mark.fault("storage")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (_text, "No space left on device"),
        (_told_by_a_library, "No space left on device"),
        (_quota, "data/records: Disk quota exceeded"),
    ],
)
def test_a_full_disk_is_one_message(
    fail: Callable[[], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "load_params", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        stage.run("extract", lambda _: fail())
    message = str(ended.value)
    assert message.startswith(f"\nextract: {Path.cwd()}")
    assert said in message
    assert "free some space there" in message
    assert message.endswith("and run `dvc repro` again; nothing was replaced")


def test_a_name_that_is_too_long_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "load_params", lambda _: None)
    with pytest.raises(SystemExit, match=r"fetch: .*/a*: File name too long .*at most 255 bytes"):
        stage.run("fetch", lambda _: Path("a" * 300).touch())


def test_any_other_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "load_params", lambda _: None)

    def fail(_: object) -> None:
        raise ValueError("a mistake in the code")

    with pytest.raises(ValueError, match="a mistake in the code"):
        stage.run("extract", fail)


@pytest.mark.fault("storage")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=1m", "No space left on device (1 MB are free on its disk now); free some space"),
        ("size=50m,ro", "Read-only file system (52 MB are free on its disk now); mount it so that"),
    ],
)
def test_a_real_full_or_read_only_disk_ends_fetch_with_one_message(
    tmp_path: Path, options: str, said: str
) -> None:
    size, _, read_only = options.partition(",")
    script = (
        f"mount -t tmpfs -o {size} tmpfs {tmp_path} && cp params.yaml dvc.yaml {tmp_path} && "
        f"mkdir -p {tmp_path}/data/raw && echo before > {tmp_path}/data/raw/x && "
        f"mount -o remount,{read_only or 'rw'} {tmp_path} && cd {tmp_path} && "
        '"$@"; code=$?; cat data/raw/*; exit $code'
    )
    small = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*small, "true"], cwd=ROOT, capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here (it needs root)")
    ended = subprocess.run(
        [*small, sys.executable, "-m", "stages.fetch"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert f"fetch: {tmp_path}" in ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout.endswith("before\n")
