"""Workers that are processes of this machine."""

import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any

from verdict.core.errors import VerdictError
from verdict.engine.work import MakeWork, Work, usable_cores
from verdict.params import Compute


@contextmanager
def open_processes(
    make: MakeWork, compute: Compute, first: Sequence[Callable[[], None]], most: int | None
) -> Iterator["_Processes"]:
    count = compute.workers or usable_cores()
    count = min(count, most or count)
    context = get_context("spawn")
    arguments = (tuple(first), pickle.dumps(make))
    executor = ProcessPoolExecutor(count, context, initializer=_begin, initargs=arguments)
    try:
        yield _Processes(executor, count)
    finally:
        executor.shutdown(cancel_futures=True)


class _Processes:
    def __init__(self, executor: ProcessPoolExecutor, workers: int):
        self._executor, self.workers = executor, workers

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        coming = iter(range(len(tasks)))
        futures = dict[Future[Any], int]()

        def submit(most: int) -> None:
            # Few at a time: packed, all of them would be in memory twice.
            for number in islice(coming, most):
                futures[self._executor.submit(_do, pickle.dumps(tasks[number]))] = number

        try:
            submit(2 * self.workers)
            while futures:
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    submit(1)
                    yield futures.pop(future), future.result()
        except BrokenProcessPool:
            raise VerdictError(
                "a worker process was killed, mostly for want of memory: see `dmesg`, or set "
                "compute.workers to fewer. Run the same command again: what was finished is kept"
            ) from None


#: How to make this process's work (pickled), and the work, once it is made.
_make = b""
_work: Work | None = None


def _begin(first: Sequence[Callable[[], None]], make: bytes) -> None:
    global _make
    for call in first:
        call()
    _make = make
    # A worker whose parent was killed would wait for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(task: bytes) -> Any:
    global _work
    if _work is None:
        _work = pickle.loads(_make)()  # nosec B301 # of this run
    return _work(pickle.loads(task))  # nosec B301 # of this run
