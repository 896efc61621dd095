"""The same bytes on a local Ray of two workers, one of which is killed on the way."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from testing.isic import IsicArchive
from testing.places import ROOT
from testing.tiny import Tiny
from tests.extraction.test_extract import OPTIONS
from verdict.core.errors import VerdictError
from verdict.engine import open_pool
from verdict.engine.actors import Worker, count_places
from verdict.extraction.extract import extract
from verdict.params import Compute
from verdict.tasks.melanoma.table import Options, read_table

pytest.importorskip("ray", reason="pip install -r requirements-ray.txt")

RAY = Compute(engine="ray", workers=2)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in; Ray's workers import the project as the driver does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


def kill_worker(driver: psutil.Process) -> bool:
    """Kill a worker that has a task, if there is one."""
    for process in driver.children(recursive=True):
        with suppress(psutil.Error):
            # Ray names an actor's process after what it does.
            if process.cmdline()[:1] == ["ray::Worker.do"]:
                process.kill()
                return True
    return False


@pytest.fixture
def killing() -> Iterator[list[bool]]:
    """Kill the first worker that has begun with a task, beside a test; say whether it was."""
    killed: list[bool] = []
    over = threading.Event()

    def watch() -> None:
        while not killed and not over.wait(0.005):
            if kill_worker(psutil.Process()):
                killed.append(True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield killed
    over.set()
    watcher.join()


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.fault("kills")
def test_records_are_the_same_bytes_though_a_worker_is_killed(
    isic: Callable[..., IsicArchive],
    here: Path,
    killing: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = isic(images=60)
    archive.images["ISIC_0000005"] = archive.images["ISIC_0000005"][:300]
    monkeypatch.setattr("verdict.extraction.shard_tasks._BYTES_PER_PIXEL", {"jpeg": 40.0})
    options = OPTIONS.model_copy(update={"shard_megabytes": 1, "max_rejected": 1})
    table = read_table(archive.write(), Options())
    local = extract(table, options, here / "local")
    assert local["shards"] == 10
    assert extract(table, options, here / "ray", compute=RAY) == local
    assert killing
    assert shards(here / "ray") == shards(here / "local")
    assert not list(here.glob(".checkpoints/*")), "nothing of Ray's is left"


def evaluated(project: Path, engine: str, *, kill: bool = False) -> dict[str, bytes]:
    """Run the evaluate stage by an engine; take what it has written."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    values["evaluate"] |= {"batch_size": 1, "max_new_tokens": 4}
    values["compute"] = {"engine": engine, "workers": 2}
    (project / "params.yaml").write_text(yaml.safe_dump(values), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.evaluate", "base"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while kill and process.poll() is None:
        begun = list(project.glob(".checkpoints/evaluate/*/test/batch-000001.json"))
        if begun and kill_worker(psutil.Process(process.pid)):
            break
        # Going through all processes takes time that the workers need.
        time.sleep(0.05)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert ("ray: lost a worker" in output) == kill, output
    written = [*project.glob("data/predictions/**/*.parquet"), *project.glob("metrics/**/*.*")]
    found = {path.relative_to(project).as_posix(): path.read_bytes() for path in written}
    for path in written:
        path.unlink()
    return found


@pytest.mark.fault("kills")
def test_predictions_are_the_same_bytes_though_a_worker_is_killed(tiny: Tiny, here: Path) -> None:
    (here / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    for folder in ("data/chat", "models"):
        (here / folder).mkdir(parents=True)
    (here / "data/records").symlink_to(tiny.records)
    (here / "models/base").symlink_to(tiny.base)
    # The training split has the most rows.
    for name, source in {"test": "train", "validation": "validation"}.items():
        (here / f"data/chat/{name}.jsonl").symlink_to(tiny.chat / f"{source}.jsonl")
    (here / "data/chat/answers.json").symlink_to(tiny.chat / "answers.json")
    whole = evaluated(here, "ray", kill=True)
    assert set(whole) >= {"data/predictions/base.parquet", "metrics/base.json"}
    assert not list(here.glob(".checkpoints/ray-*")), "nothing of Ray's is left"
    assert whole == evaluated(here, "local")


def refuse(number: int) -> int:
    if number == 2:
        raise VerdictError("record 2 is not to be had")
    return number


def returns(work: Callable[[int], int]) -> Callable[[int], int]:
    return work


def test_what_a_worker_says_reaches_the_person(here: Path) -> None:
    with (
        open_pool(partial(returns, refuse), RAY) as pool,
        pytest.raises(VerdictError, match=r"^record 2 is not to be had$"),
    ):
        list(pool.run([0, 1, 2]))


def test_a_node_that_does_not_see_the_project_is_named(tmp_path: Path) -> None:
    worker = Worker((), b"", tmp_path / "project", tmp_path / "project/mark")
    with pytest.raises(VerdictError, match=r"does not see .*project: .* nodes share \(NFS"):
        worker.do(b"")


def test_a_worker_has_room_on_one_node_alone() -> None:
    nodes = [{"CPU": 3.0, "GPU": 4.0}, {"CPU": 4.0, "GPU": 1.0}, {"memory": 1e9}]
    assert count_places(nodes, 1, gpu=False) == 7
    assert count_places(nodes, 2, gpu=False) == 3
    assert count_places(nodes, 1, gpu=True) == 4


@pytest.mark.parametrize(
    ("cpus", "gpu", "wanted", "change"),
    [
        (1, False, "a free CPU core", "threads"),
        (2, False, "2 free CPU cores", "threads"),
        (1, True, "a free CPU core and a GPU", "device"),
    ],
)
def test_want_of_room_is_said(cpus: int, gpu: bool, wanted: str, change: str) -> None:
    nodes = [{"CPU": 0.5}, {"CPU": 1.0 if cpus == 2 or gpu else 0.25}]
    total = f"{sum(node['CPU'] for node in nodes):g}"
    with pytest.raises(VerdictError) as raised:
        count_places(nodes, cpus, gpu=gpu)
    assert str(raised.value) == (
        f"no node of the Ray cluster has {wanted}; all 2 together have {total} CPUs and 0 GPUs. "
        f"Start nodes that have, or change reproducibility.{change}"
    )


def test_a_cluster_that_does_not_answer_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(VerdictError, match=r"RAY_ADDRESS is 127\.0\.0\.1:1, but no Ray cluster"),
        open_pool(partial(returns, refuse), RAY),
    ):
        pass
