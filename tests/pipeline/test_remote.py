"""DVC and a bucket, by the emulator: push, clone, pull; killed servers; objects that rot."""

import hashlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testing.emulator import ENVIRONMENT, Emulator, begin
from testing.project import Project

SMALL = 2_000
LARGE = 60_000_000  # bytes; more than the 50 MiB that gcsfs sends at once


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with many small files, a large one and a stage's output, all DVC's."""
    root = tmp_path_factory.mktemp("remote") / "origin"
    project = Project(root, dict(ENVIRONMENT))
    chance = random.Random(3)
    (root / "many").mkdir(parents=True)
    for number in range(SMALL):
        # Ends that text would lose, and no bytes at all, are among them.
        end = (b"\r", b"\n", b"\r\n", b"")[number % 4]
        content = b"" if number == 0 else chance.randbytes(number % 300) + b"%d" % number + end
        (root / "many" / f"{number}.bin").write_bytes(content)
    (root / "large.bin").write_bytes(chance.randbytes(LARGE))
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.dvc("init", "--quiet")
    project.dvc("add", "--quiet", "many", "large.bin")
    project.dvc("stage", "add", "-n", "made", "-o", "made.txt", "echo made > made.txt")
    project.dvc("repro", "--quiet")
    (root / ".gitignore").open("a").write("/.emulator/\n")
    project.commit("Data")
    return project


@pytest.fixture(scope="module")
def emulator(origin: Project) -> Iterator[Emulator]:
    emulator = Emulator(origin)
    emulator.start()
    yield emulator
    emulator.kill()


@pytest.fixture(scope="module")
def cloned(origin: Project, emulator: Emulator) -> Callable[[str], Project]:
    """Clone the origin, and let the clone use the running emulator."""

    def make(name: str) -> Project:
        root = origin.root.parent / name
        origin.run("git", "clone", "--quiet", str(origin.root), str(root))
        clone = Project(root, dict(ENVIRONMENT))
        assert "runs already" in clone.run(*emulator.command).stdout
        return clone

    return make


@pytest.mark.fault("network")
def test_server_killed_mid_push(origin: Project, emulator: Emulator) -> None:
    push = begin(origin, sys.executable, "-m", "dvc", "push", "--quiet")
    _wait_until(lambda: len(emulator.objects()) > SMALL // 10)
    emulator.kill()
    kept = emulator.objects()
    assert len(kept) < SMALL
    emulator.start()
    push.communicate()
    assert emulator.objects() >= kept
    origin.dvc("push")
    expected = set(_files(origin.root).values())
    stored = {name.removeprefix("files/md5/").replace("/", "") for name in emulator.objects()}
    assert stored - {name for name in stored if name.endswith(".dir")} == expected


@pytest.mark.fault("network")
def test_server_killed_mid_pull(
    origin: Project, emulator: Emulator, cloned: Callable[[str], Project]
) -> None:
    clone = cloned("clone")
    cache = clone.root / ".dvc" / "cache" / "files" / "md5"
    pull = begin(clone, sys.executable, "-m", "dvc", "pull", "--quiet")
    _wait_until(lambda: len(list(cache.glob("*/*"))) > SMALL // 10)
    emulator.kill()
    assert len(list(cache.glob("*/*"))) < SMALL
    emulator.start()
    pull.communicate()
    clone.dvc("pull")
    assert "up to date" in clone.dvc("status")
    assert "in sync" in clone.dvc("status", "--cloud")
    assert _files(clone.root) == _files(origin.root)


@pytest.mark.fault("forgeries")
def test_corrupted_object_is_told(
    origin: Project, emulator: Emulator, cloned: Callable[[str], Project]
) -> None:
    stored = emulator.object(hashlib.md5(b"made\n").hexdigest())
    stored.write_bytes(b"Made\n")
    clone = cloned("corrupted")
    pulled = clone.run("dvc", "pull", "made", check=False)
    assert pulled.returncode != 0
    assert "made.txt" in pulled.stdout
    assert not (clone.root / "made.txt").exists()
    stored.write_bytes(b"made\n")
    clone.dvc("pull", "made")
    assert (clone.root / "made.txt").read_bytes() == b"made\n"


def _wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.002)


def _files(root: Path) -> dict[str, str]:
    paths = [*root.glob("many/*"), root / "large.bin", root / "made.txt"]
    return {
        path.relative_to(root).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in paths
    }


def test_proof_is_pulled_without_raw_data(clone: Callable[[str], Project], tmp_path: Path) -> None:
    """On this project's own graph; its outputs hold a line each instead of being made."""
    project = clone("graph")
    project.environment |= ENVIRONMENT
    outputs = _imitate_outputs(project)
    project.dvc("commit", "--force")
    project.commit("As if it had run")
    emulator = Emulator(project)
    emulator.start()
    try:
        project.dvc("push", "--quiet")
        judge = Project(tmp_path / "judge", dict(ENVIRONMENT))
        project.run("git", "clone", "--quiet", str(project.root), str(judge.root))
        judge.run(*emulator.command)
        judge.run("python", "-m", "tools.pull", "proof")
        pulled = {path for path in outputs if (judge.root / path).exists()}
        assert {path.parts[:2] for path in pulled if path.parts[0] != "metrics"} == {
            ("data", "splits"), ("data", "predictions"), ("models", "adapter"),
        }  # fmt: skip
        assert pulled >= {path for path in outputs if path.parts[0] == "metrics"}
        judge.run("python", "-m", "tools.pull", "all")
        assert all((judge.root / path).exists() for path in outputs)
        assert "up to date" in judge.dvc("status")
    finally:
        emulator.kill()


def _imitate_outputs(project: Project) -> list[Path]:
    """Write what the stages of dvc.yaml read and write, where it is not there; return DVC's."""
    from dvc.repo import Repo

    with Repo(str(project.root)) as repo:
        outs = list(repo.index.outs)
        cached = [Path(out.fspath).relative_to(project.root) for out in outs if out.use_cache]
        read = [Path(dep.fspath) for dep in repo.index.deps]
        paths = {*read, *(Path(out.fspath) for out in outs)}
    for path in sorted(paths):
        if not path.exists() and not any(path in other.parents for other in paths):
            file = path if path.suffix else path / "file"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{path.name}\n")
    return cached
