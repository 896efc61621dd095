"""Workers that are actors of a Ray cluster, or of a Ray that is started here for the time.

Ray schedules, restarts and retries.
"""

import os
import pickle
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from verdict.engine.work import MakeWork, Work
from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.params import Compute
from verdict.project import CHECKPOINTS, project_root

#: How often Ray does a task again whose worker was killed; one that kills every worker ends.
_RETRIES = 3
#: Results and tasks are small; Ray's default is a third of the memory.
_OBJECT_STORE_BYTES = 200 * 2**20


@contextmanager
def open_actors(
    make: MakeWork,
    compute: Compute,
    first: Sequence[Callable[[], None]],
    most: int | None,
    *,
    cpus: int,
    gpu: bool,
) -> Iterator["_Actors"]:
    ray = _import_ray()
    with _cluster(ray, compute, cpus), _mark() as mark:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        places = count_places(nodes, cpus, gpu=gpu)
        options = {"num_cpus": cpus, "num_gpus": int(gpu), "max_restarts": -1}
        actor = ray.remote(**options, max_task_retries=_RETRIES)(_Worker)
        setup = (tuple(first), pickle.dumps(make), Path.cwd(), mark)
        count = compute.workers or places
        count = min(count, most or count)
        yield _Actors(ray, [actor.remote(*setup) for _ in range(count)])


def count_places(nodes: Sequence[Mapping[str, float]], cpus: int, *, gpu: bool) -> int:
    """Return how many workers nodes have room for; one worker cannot be on two nodes.

    Args:
        nodes: what each node has, by Ray's names (``CPU``, ``GPU``).
        cpus: cores that each worker keeps busy.
        gpu: each needs a GPU of its own.

    Raises:
        VerdictError: there is no room for one.
    """
    places = 0
    for node in nodes:
        here = int(node.get("CPU", 0)) // cpus
        places += min(here, int(node.get("GPU", 0))) if gpu else here
    if places == 0:
        wanted = "a free CPU core" if cpus == 1 else f"{cpus} free CPU cores"
        has = [f"{sum(node.get(kind, 0) for node in nodes):g} {kind}s" for kind in ("CPU", "GPU")]
        raise VerdictError(
            f"no node of the Ray cluster has {wanted}{' and a GPU' if gpu else ''}; all "
            f"{len(nodes)} together have {' and '.join(has)}. Start nodes that have, or change "
            f"reproducibility.{'device' if gpu else 'threads'}"
        )
    return places


class _Actors:
    def __init__(self, ray: Any, actors: list[Any]):
        self._ray, self._actors, self.workers = ray, actors, len(actors)

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        from ray.util import ActorPool

        pool: Any = ActorPool(self._actors)
        # What they are made of is imported only after the worker has set itself up.
        packed = ((number, pickle.dumps(task)) for number, task in enumerate(tasks))
        errors = self._ray.exceptions
        try:
            yield from pool.map_unordered(lambda actor, task: actor.do.remote(*task), packed)
        except errors.RayTaskError as error:
            if isinstance(error.cause, VerdictError):
                raise VerdictError(str(error.cause)) from None
            raise
        except errors.RayActorError as error:
            raise VerdictError(
                f"a Ray worker could not start, or was killed {_RETRIES + 1} times on one task "
                f"({str(error).splitlines()[0]}). Each node needs this project in the folder "
                f"{Path.cwd()} on a shared file system, and requirements-ray.txt; or it has too "
                "little memory. Run the same command again: what was finished is kept"
            ) from None


class _Worker:
    """An actor; it sets itself up at its first task, so that what goes wrong is reported."""

    def __init__(self, first: Sequence[Callable[[], None]], make: bytes, folder: Path, mark: Path):
        self._first, self._make, self._folder, self._mark = first, make, folder, mark
        self._work: Work | None = None

    def do(self, number: int, task: bytes) -> tuple[int, Any]:
        if self._work is None:
            if not self._mark.is_file():
                raise VerdictError(
                    f"the node {os.uname().nodename} does not see {self._folder}: with "
                    "compute.engine ray the project's folder must be on a file system that all "
                    "nodes share (NFS, Filestore, Lustre …), at the same path. Put it there, or "
                    "set compute.engine to local"
                )
            os.chdir(self._folder)
            for call in self._first:
                call()
            self._work = pickle.loads(self._make)()
        return number, self._work(pickle.loads(task))


@contextmanager
def _cluster(ray: Any, compute: Compute, cpus: int) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS; without one, start Ray on this machine for the time."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            _connect(address)
            ray.init(address=address, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
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
    folder = tempfile.mkdtemp(prefix="verdict-ray-", dir="/tmp")
    try:
        ray.init(
            address="local",
            num_cpus=(compute.workers or len(os.sched_getaffinity(0))) * cpus,
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
    """Raise OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


@contextmanager
def _mark() -> Iterator[Path]:
    """Leave a file in the project that every node must see."""
    mark = project_root() / CHECKPOINTS / f"ray-{secrets.token_hex(8)}"
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
