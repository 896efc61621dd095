import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from testing.places import ROOT
from verdict.core import files
from verdict.core.files import replacing, sha256_of_tree, write_csv, write_json


@pytest.mark.fault("storage")
def test_a_failed_write_leaves_the_old_file_and_no_partial(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.fault("storage")
def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    with replacing(tmp_path / "out") as partial:
        partial.mkdir()
        (partial / "old").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "out") as partial:
        partial.mkdir()
        raise RuntimeError
    assert (tmp_path / "out" / "old").read_text() == "old"


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_the_hash_of_a_tree_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = sha256_of_tree(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256_of_tree(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256_of_tree(tmp_path)}) == 3


def test_csv_has_unix_line_ends(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ("a", "b"), [(1, "x,y")])
    assert (tmp_path / "x.csv").read_bytes() == b'a,b\n1,"x,y"\n'


@pytest.mark.fault("several at once")
def test_of_two_writers_at_once_each_puts_a_whole_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    half, ended = threading.Event(), threading.Event()

    def slow() -> None:
        with replacing(path) as partial, partial.open("w") as file:
            file.write("slow, ")
            file.flush()
            half.set()
            assert ended.wait(10)
            file.write("whole")

    writer = threading.Thread(target=slow)
    with replacing(path) as partial:
        partial.write_text("quick, whole")
        writer.start()
        assert half.wait(10)
    assert path.read_text() == "quick, whole"
    ended.set()
    writer.join()
    assert path.read_text() == "slow, whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.fault("several at once")
def test_of_two_writers_at_once_each_puts_a_whole_folder_in_place(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    with replacing(path) as first, replacing(path) as second:
        for partial in (first, second):
            partial.mkdir()
            (partial / "which").write_text(partial.name)
        assert first != second
    assert (path / "which").read_text() == first.name
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_appears_between_two_renames_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    rename, times = Path.rename, []

    def overtaken(self: Path, target: Path) -> Path:
        times.append(self)
        if len(times) == 1:
            (path / "another writer's").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    with replacing(path) as partial:
        partial.mkdir()
    assert [one == path for one in times] == [False, True, False]
    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


KILLED = """
import os, sys
from verdict.core.files import replacing
with replacing(sys.argv[1]) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.fault("kills")
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT)
    (left,) = tmp_path.iterdir()
    assert left.match(".a.json.*.partial")
    notes = tmp_path / ".a.json.notes.partial"
    for other in (notes, tmp_path / left.name.replace("a.json", "b.json")):
        other.touch()
    write_json(path, {})
    assert sorted(tmp_path.iterdir()) == sorted([path, notes])


def test_an_old_folder_that_was_moved_aside_is_kept_until_a_new_one_is_whole(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    aside = tmp_path / f".out.{ended.pid}-{files._START}-0-{files._HOST}.previous"
    aside.mkdir()
    for fails in (True, False):
        try:
            with replacing(tmp_path / "out") as partial:
                partial.mkdir()
                assert not fails
        except AssertionError:
            assert aside.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("whose", "start", "host", "days", "kept"),
    [
        ("parent", "0" * 8, None, 99, True),
        ("own", None, None, 99, True),
        ("own", "0" * 8, None, 0, False),  # of an earlier process with this number
        ("first", "0" * 8, "other", 6, True),
        ("first", "0" * 8, "other", 8, False),
    ],
)
def test_what_another_writer_may_still_need_stays(
    tmp_path: Path, whose: str, start: str | None, host: str | None, days: int, kept: bool
) -> None:
    pid = {"parent": os.getppid(), "own": os.getpid(), "first": 1}[whose]
    mark = f"{pid}-{start or files._START}-0-{host or files._HOST}"
    other = tmp_path / f".a.json.{mark}.partial"
    other.touch()
    then = other.stat().st_mtime - days * 24 * 3600
    os.utime(other, (then, then))
    write_json(tmp_path / "a.json", {})
    assert other.exists() == kept
