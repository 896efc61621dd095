"""Many tasks on several workers: processes of this machine, or of a Ray cluster.

``compute.engine`` chooses who works, and changes no result: a task gives the same bytes wherever
it is done, and each result comes with its task's number. Plain Ray actors do it rather than Ray
Data: tasks name a shard or a batch, read their data from files and leave it in files, so that
there are no blocks to stream, and Ray Data's own actors would only take memory and time to start.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from verdict.engine.cluster import open_actors
from verdict.engine.processes import open_processes
from verdict.engine.work import MakeWork, Pool
from verdict.params import Compute

__all__ = ["LOCAL", "Pool", "open_pool"]

LOCAL = Compute(engine="local", workers=None)


def open_pool(
    make: MakeWork,
    compute: Compute,
    *,
    first: Sequence[Callable[[], None]] = (),
    most: int | None = None,
    cpus: int = 1,
    gpu: bool = False,
) -> AbstractContextManager[Pool]:
    """Start workers: ``compute.workers``, or as many as there are cores or GPUs.

    Args:
        first: called in each worker before anything else is imported there, ``make``'s own module
            included: what has to be in the environment before torch is.
        most: there is no work for more.
        cpus: cores that each keeps busy.
        gpu: each needs a GPU of its own; only Ray shares them out.

    Raises:
        VerdictError: Ray is not installed, does not answer, or has no such workers.
    """
    if compute.engine == "ray":
        return open_actors(make, compute, first, most, cpus=cpus, gpu=gpu)
    assert not gpu, "only Ray shares out GPUs"
    return open_processes(make, compute, first, most)
