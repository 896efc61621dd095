"""What workers do, and how they are asked."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Work = Callable[[Any], Any]
#: Called once in each worker before its first task: opens an archive, loads a model. It is
#: pickled, so that it is small.
MakeWork = Callable[[], Work]


def usable_cores() -> int:
    """Return how many cores this process may use; macOS knows no such limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(Protocol):
    """Workers that are ready for tasks."""

    @property
    def workers(self) -> int:
        """How many there are."""

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Do every task; yield its position and its result, in the order in which they end.

        Raises:
            VerdictError: a task raised it, or workers were killed.
        """
