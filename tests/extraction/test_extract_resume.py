"""A killed extraction goes on with the shards that were not finished, to the same bytes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.isic import IsicArchive
from testing.places import ROOT
from tests.extraction.test_extract import OPTIONS
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract, folder_for
from verdict.params.data import Extract
from verdict.records.raw import RawTable
from verdict.records.shards import shard_paths
from verdict.tasks.melanoma.table import Options, read_table


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Extract:
    """Options that make a shard of each 20 images."""
    monkeypatch.setattr("verdict.extraction.shard_tasks._BYTES_PER_PIXEL", {"jpeg": 12.0})
    return OPTIONS.model_copy(update={"shard_megabytes": 1})


def _state(shard: Path) -> tuple[bytes | None, ...]:
    files = (shard, shard.with_suffix(".json"))
    return tuple(path.read_bytes() if path.exists() else None for path in files)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in shard_paths(folder)]


@pytest.fixture
def table(isic: Callable[..., IsicArchive]) -> RawTable:
    return read_table(isic(images=80).write(), Options())


@pytest.mark.parametrize(
    "damage",
    [
        lambda shard: None,
        lambda shard: shard.unlink(),
        lambda shard: shard.write_bytes(shard.read_bytes()[:-1]),
        lambda shard: shard.with_suffix(".json").unlink(),
        lambda shard: shard.with_suffix(".json").write_text("{"),
    ],
    ids=["none", "missing", "cut off", "not sealed", "half a seal"],
)
def test_only_what_is_not_finished_is_done_again(
    table: RawTable,
    several: Extract,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], Any],
) -> None:
    keep = tmp_path / "kept"
    keep.mkdir()
    counts = extract(table, several, tmp_path / "whole", keep=keep)
    assert counts["shards"] == 4
    assert "resuming" not in capsys.readouterr().out
    second = sorted(keep.glob("*.parquet"))[1]
    (keep / ".shard-00001.0123.partial").write_bytes(b"half")
    times = {path: path.stat().st_mtime_ns for path in keep.glob("*.parquet")}
    before, whole = _state(second), contents(tmp_path / "whole")
    damage(second)
    untouched = _state(second) == before
    assert extract(table, several, tmp_path / "again", keep=keep) == counts
    captured = capsys.readouterr()
    written = {path for path in times if path.stat().st_mtime_ns != times[path]}
    assert written == (set() if untouched else {second})
    done = 4 if untouched else 3
    assert f"extract: resuming: {done} of 4 shards were done" in captured.out
    assert untouched or "extract: 80/80 records" in captured.err
    assert not list(keep.glob(".*.partial"))
    assert contents(tmp_path / "again") == whole
    assert {path.suffix for path in (tmp_path / "again").iterdir()} == {".parquet", ".csv"}


def test_whatever_decides_a_shard_decides_the_folder(
    isic: Callable[..., IsicArchive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = isic()

    def key(**options: object) -> Path:
        table = read_table(archive.write(), Options())
        return folder_for(table, OPTIONS.model_copy(update=options))

    first = key()
    assert key() == first == key(max_rejected=3)
    assert key(quality=90) != first
    archive.images["ISIC_0000003"] = archive.images["ISIC_0000004"]
    changed = key()
    assert changed != first
    archive.rows[0]["sex"] = "male"
    assert key() not in {first, changed}


def test_an_archive_that_is_cut_off_has_no_folder(isic: Callable[..., IsicArchive]) -> None:
    table = read_table(isic().write(), Options())
    assert table.images is not None
    table.images.path.write_bytes(table.images.path.read_bytes()[:-200])
    with pytest.raises(VerdictError, match="not a complete ZIP archive"):
        folder_for(table, OPTIONS)


#: The extract stage, which kills itself at the second shard that a worker has written.
KILLED = """
import os, runpy, signal
from verdict.engine.processes import _Processes

run = _Processes.run

def run_and_end(self, tasks):
    for number, result in enumerate(run(self, tasks)):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield result

_Processes.run = run_and_end
runpy.run_module("stages.extract", run_name="__main__")
"""


@pytest.mark.fault("kills")
def test_killed_and_resumed_is_the_same_to_the_byte(
    isic: Callable[..., IsicArchive], tmp_path: Path
) -> None:
    raw = isic(images=100).write()
    (tmp_path / "data").mkdir()
    raw.rename(tmp_path / "data/raw")
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["extract"] |= {"size": 512, "shard_megabytes": 1}
    params["compute"]["workers"] = 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    (tmp_path / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")

    def start(*command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(process: "subprocess.Popen[str]") -> str:
        out, error = process.communicate()
        assert process.returncode == 0, error
        assert "extract: 100/100 records" in error
        return out

    stage = ("-m", "stages.extract")
    assert "resuming" not in finish(start(*stage))
    whole = contents(tmp_path / "data/records")
    assert len(whole) == 8
    assert not list(tmp_path.glob(".checkpoints/extract/*"))
    (tmp_path / "data/records").rename(tmp_path / "data/whole")
    process = start("-c", KILLED)
    _, error = process.communicate()
    assert process.returncode == -signal.SIGKILL, error
    assert not (tmp_path / "data/records").exists()
    line = next(row for row in finish(start(*stage)).splitlines() if "resuming" in row)
    done = int(line.removeprefix("extract: resuming: ").split(" ", 1)[0])
    # The worker had two more tasks, and may have ended them.
    assert 2 <= done <= 4, line
    assert contents(tmp_path / "data/records") == whole
    assert not list(tmp_path.glob(".checkpoints/extract/*"))
