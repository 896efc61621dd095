"""A cluster of several nodes: one is lost, room is short, and addresses that lead to none."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from tests.engine.test_ray import RAY, here, returns
from verdict.core.errors import VerdictError
from verdict.engine import open_pool
from verdict.params import Compute

ray = pytest.importorskip("ray", reason="pip install -r requirements-ray.txt")

__all__ = ["here"]

NODES = 3


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Any]]:
    """Three nodes with a CPU each, by their ids; RAY_ADDRESS names their cluster."""
    from ray.cluster_utils import Cluster

    patched = pytest.MonkeyPatch()
    # Nodes import the project as the driver does.
    patched.setenv("PYTHONPATH", str(ROOT))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    started = [cluster.add_node(num_cpus=1) for _ in range(NODES)]
    patched.setenv("RAY_ADDRESS", cluster.address)
    try:
        yield {node.node_id: partial(cluster.remove_node, node, False) for node in started}
    finally:
        patched.undo()
        cluster.shutdown()


@pytest.fixture
def project(nodes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def where(number: int) -> tuple[int, str]:
    time.sleep(0.2)
    return number, ray.get_runtime_context().get_node_id()


def together(number: int) -> tuple[int, str]:
    """Say where it runs, once every node has a worker that has begun."""
    node = ray.get_runtime_context().get_node_id()
    Path(f"begun-{node}").touch()
    while len(list(Path().glob("begun-*"))) < NODES:
        time.sleep(0.05)
    return number, node


def test_no_more_workers_than_there_is_room_for(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_pool(partial(returns, together), Compute(engine="ray", workers=NODES + 2)) as pool:
        assert pool.workers == NODES
        found = sorted(result for _, result in pool.run(range(12)))
    assert [number for number, _ in found] == list(range(12))
    assert len({node for _, node in found}) == NODES
    assert "ray: 3 workers, and not 5: there is room for no more" in capsys.readouterr().out


@pytest.mark.fault("kills")
@pytest.mark.parametrize("left", ["with a free node", "without"])
def test_a_lost_node_costs_nothing(
    nodes: dict[str, Callable[[], None]],
    project: Path,
    capsys: pytest.CaptureFixture[str],
    left: str,
) -> None:
    with open_pool(partial(returns, where), Compute(engine="ray", workers=2)) as pool:
        coming, found = pool.run(range(16)), []
        for _, result in coming:
            found.append(result)
            if len(found) == 4:
                nodes.pop(result[1])()
    assert sorted(number for number, _ in found) == list(range(16))
    assert "another one does its task" in capsys.readouterr().out


def test_want_of_room_is_waited_for_and_said(
    nodes: dict[str, Any],
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verdict.engine.actors._PATIENCE", 0.5)
    with open_pool(partial(returns, where), Compute(engine="ray", workers=1)) as others:
        # Nothing else of this process can take the place while it holds all.
        assert len(nodes) == others.workers == 1
        [(greeting, actor)] = others._coming.items()
        ray.get(greeting)
        # Ray tells a while later what is free.
        while ray.available_resources().get("CPU", 0) > 0:
            time.sleep(0.05)
        pool = type(others)(ray, others._start, 1)
        results = pool.run(range(2))
        for _ in range(2):
            assert pool._wait(list(pool._coming)) is None
        said = capsys.readouterr().out
        assert said.count("Waiting for room; Ctrl-C ends it") == 1
        assert "free are 0 CPUs" in said
        ray.kill(actor)
        assert sorted(number for number, _ in results) == [0, 1]


def leave(number: int) -> int:
    if number == 1:
        os._exit(1)
    return number


@pytest.mark.fault("kills")
def test_a_task_that_kills_every_worker_ends(here: Path) -> None:
    with (
        open_pool(partial(returns, leave), RAY) as pool,
        pytest.raises(VerdictError, match=r"^Ray lost the worker of one task 4 times \("),
    ):
        list(pool.run([0, 1, 2]))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers there \(\[Errno 111\] Connection refused\)"),
        ("[::1]:1", r"no Ray cluster answers there \(\[Errno (111|99)\]"),
        ("127.0.0.1", r"no Ray cluster answers there \(HOST:PORT is needed, or auto\)"),
        ("127.0.0.1:x", r"no Ray cluster answers there \(Port could not be cast"),
        ("ray://127.0.0.1:10001", r"workers are not to be had through a Ray Client"),
    ],
)
def test_an_address_without_a_cluster(
    here: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(VerdictError, match=said), open_pool(partial(returns, where), RAY):
        pass


def test_somebody_else_who_listens_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verdict.engine.cluster._PATIENCE", 3)
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{other.getsockname()[1]}")
        with (
            pytest.raises(VerdictError, match=r"no Ray cluster answers there .*after 3 seconds"),
            open_pool(partial(returns, where), RAY),
        ):
            pass
