"""Actors of a Ray cluster as workers: who has which task, and what happens when one is lost.

Ray's own retries and ``ActorPool`` are not used: they give a task to the same actor again while
Ray still believes in it, so that a lost machine ended a run for which others had room.
"""

import os
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.engine.work import Work

#: How often a task is done again whose worker was killed; one that kills every worker ends.
_RETRIES = 3
#: Seconds after which it is said that there is no worker yet.
_PATIENCE = 15.0


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


class Actors:
    """A pool (``verdict.engine.work.Pool``) of workers that Ray has started.

    Args:
        ray: the module.
        start: starts a worker, a ``Worker`` that Ray has made remote.
        workers: how many.
    """

    def __init__(self, ray: Any, start: Callable[[], Any], workers: int):
        self._ray, self._start, self.workers = ray, start, workers
        self._idle: list[Any] = []
        # By the reference to their greeting: no task waits for a worker that has no room yet.
        self._coming = dict[Any, Any]()
        self._stillborn = 0
        self._told = False
        for _ in range(workers):
            self._call_another()

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Do every task, as in ``Pool``; whoever is lost is replaced, if there is room for one."""
        errors = self._ray.exceptions
        waiting, killed, busy = deque(range(len(tasks))), Counter[int](), dict[Any, Any]()
        try:
            while waiting or busy:
                while waiting and self._idle:
                    actor, number = self._idle.pop(), waiting.popleft()
                    # What it is made of is imported only after the worker has set itself up.
                    busy[actor.do.remote(pickle.dumps(tasks[number]))] = actor, number
                ended = self._wait([*busy, *self._coming])
                if ended is None:
                    continue
                if ended in self._coming:
                    self._greet(ended, alone=not (busy or self._idle))
                    continue
                actor, number = busy.pop(ended)
                try:
                    result = self._ray.get(ended)
                except errors.RayTaskError as error:
                    if isinstance(error.cause, VerdictError):
                        raise VerdictError(str(error.cause)) from None
                    raise
                except errors.RayError as error:
                    self._bury(actor)
                    killed[number] += 1
                    if killed[number] > _RETRIES:
                        raise VerdictError(_too_often(error)) from None
                    print(
                        f"ray: lost a worker ({_first_line(error)}); another one does its task",
                        flush=True,
                    )
                    waiting.appendleft(number)
                else:
                    self._idle.append(actor)
                    yield number, result
        finally:
            self._idle += [actor for actor, _ in busy.values()]

    def _wait(self, references: list[Any]) -> Any:
        """Return one that has ended; None after a while in which none has, and there is nobody."""
        nobody = len(references) == len(self._coming)
        ended, _ = self._ray.wait(references, timeout=_PATIENCE if nobody else None)
        if ended or self._told:
            return ended[0] if ended else None
        self._told = True
        has = self._ray.available_resources()
        print(
            f"ray: no worker has begun; free are {has.get('CPU', 0):g} CPUs and "
            f"{has.get('GPU', 0):g} GPUs. Waiting for room; Ctrl-C ends it",
            flush=True,
        )
        return None

    def _greet(self, greeting: Any, *, alone: bool) -> None:
        """Take in a worker that has started, or call another one for it."""
        actor = self._coming.pop(greeting)
        try:
            self._ray.get(greeting)
        except self._ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn <= _RETRIES:
                self._call_another()
            elif alone and not self._coming:
                raise VerdictError(_no_start(error)) from None
        else:
            self._idle.append(actor)

    def _bury(self, actor: Any) -> None:
        # It may be out of reach only: what it is doing is done by another one.
        self._ray.kill(actor)
        self._call_another()

    def _call_another(self) -> None:
        actor = self._start()
        self._coming[actor.greet.remote()] = actor


def _too_often(error: Exception) -> str:
    return (
        f"Ray lost the worker of one task {_RETRIES + 1} times ({_first_line(error)}), mostly for "
        "want of memory: give each node more, or set compute.workers to fewer. Run the same "
        "command again: what was finished is kept"
    )


def _no_start(error: Exception) -> str:
    reason = str(error).splitlines()[-1].strip()
    return (
        f"no Ray worker could start ({reason}). Each node needs this project in the "
        f"folder {Path.cwd()} on a shared file system, and requirements-ray.txt; or it has too "
        "little memory. Run the same command again: what was finished is kept"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


class Worker:
    """An actor; it sets itself up at its first task, so that what goes wrong is reported."""

    def __init__(self, first: Sequence[Callable[[], None]], make: bytes, folder: Path, mark: Path):
        self._first, self._make, self._folder, self._mark = first, make, folder, mark
        self._work: Work | None = None

    def greet(self) -> None:
        """Return: the worker has started."""

    def do(self, task: bytes) -> Any:
        """Do a task (pickled).

        Raises:
            VerdictError: as the work does, or the node does not see the project.
        """
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
            self._work = pickle.loads(self._make)()  # nosec B301 # of this run
        return self._work(pickle.loads(task))  # nosec B301 # of this run
