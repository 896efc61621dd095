"""Workers on a Ray cluster, or on a Ray that is started here for the time."""

import os
import pickle
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.core.project import CHECKPOINTS, project_root
from verdict.engine.actors import Actors, Worker, count_places
from verdict.engine.work import MakeWork, usable_cores
from verdict.params import Compute

#: Results and tasks are small; Ray's default is a third of the memory.
_OBJECT_STORE_BYTES = 200 * 2**20
#: Seconds for a cluster to answer; Ray itself tries for many minutes.
_PATIENCE = 60
#: Seconds after which the mark of a run is one that was killed and could not remove it.
_MARK_LASTS = 7 * 24 * 3600


@contextmanager
def open_actors(
    make: MakeWork,
    compute: Compute,
    first: Sequence[Callable[[], None]],
    most: int | None,
    *,
    cpus: int,
    gpu: bool,
) -> Iterator[Actors]:
    ray = _import_ray()
    with _cluster(ray, compute, cpus), _mark() as mark:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        places = count_places(nodes, cpus, gpu=gpu)
        wanted = compute.workers or places
        if wanted > places:
            print(f"ray: {places} workers, and not {wanted}: there is room for no more", flush=True)
        actor = ray.remote(num_cpus=cpus, num_gpus=int(gpu))(Worker)
        setup = (tuple(first), pickle.dumps(make), Path.cwd(), mark)
        count = min(wanted, places, most or places)
        yield Actors(ray, lambda: actor.remote(*setup), count)


@contextmanager
def _cluster(ray: Any, compute: Compute, cpus: int) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS; without one, start Ray on this machine for the time."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            _connect(address)
            ray.init(address=address, **quiet)
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            raise VerdictError(
                f"RAY_ADDRESS is {address}, but no Ray cluster answers there ({error}); start it, "
                "or unset RAY_ADDRESS to use this machine alone"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    # Ray listens on every interface, and wants this token; one of its own it would keep at home.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Short: Ray keeps sockets in it, whose paths have 107 bytes at most.
    folder = tempfile.mkdtemp(prefix="verdict-ray-", dir="/tmp")  # nosec B108 # mkdtemp
    try:
        ray.init(
            address="local",
            num_cpus=(compute.workers or usable_cores()) * cpus,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=folder,
            **quiet,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _connect(address: str) -> None:
    """See that a cluster answers at ``HOST:PORT``.

    Raises:
        VerdictError: it is the address of a Ray Client.
        OSError, RuntimeError, ValueError, SubprocessError: none answers.
    """
    if "://" in address:
        raise VerdictError(
            f"RAY_ADDRESS is {address}: workers are not to be had through a Ray Client. Run this "
            "on a machine of the cluster, with RAY_ADDRESS=auto or HOST:6379"
        )
    if address in ("auto", "local"):
        return
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port:
        raise ValueError("HOST:PORT is needed, or auto")
    socket.create_connection((parts.hostname, parts.port), timeout=10).close()
    # Something listens; whether it is Ray, Ray's own command says.
    command = [str(Path(sys.executable).with_name("ray")), "status", "--address", address]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    if asked.returncode != 0:
        lines = asked.stderr.strip().splitlines() or ["`ray status` failed"]
        raise RuntimeError(lines[-1])


@contextmanager
def _mark() -> Iterator[Path]:
    """Leave a file in the project that every node must see."""
    folder = project_root() / CHECKPOINTS
    for old in folder.glob("ray-*"):
        if time.time() - old.stat().st_mtime > _MARK_LASTS:
            old.unlink(missing_ok=True)
    mark = folder / f"ray-{secrets.token_hex(8)}"
    with replacing(mark) as partial:
        partial.write_text("Every worker must see this file.\n", encoding="utf-8")
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise VerdictError(
            "compute.engine is ray, but Ray is not installed; run "
            "`pip install -r requirements-ray.txt`, or set compute.engine to local"
        ) from None
    return ray
