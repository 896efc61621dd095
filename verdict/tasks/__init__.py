"""What is particular to one data set; ``params.yaml``'s ``task`` names a folder here.

The folder is a package with what :class:`Task` lists; ``python -m tools.new_task`` writes one to
begin with.
"""

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from verdict.core.errors import VerdictError
from verdict.params.file import PARAMS_FILE, check_section
from verdict.params.section import Section
from verdict.records.raw import RawTable, check_identifiers


class Task(Protocol):
    """A data set: its published files, how they are read, and a synthetic stand-in for them.

    Attributes:
        FILES: the name of each published file by its key in ``fetch.files``; a name that ends in
            ``/`` is a folder, for an address that stands for several files.
        OPTIONAL: keys of ``FILES`` that ``fetch.files`` may lack; a task that has no such name
            needs them all.
        LIMITS: sentences for the model card: what the published data cannot show.
        Options: what ``dataset`` may hold in params.yaml: how the tables are read.
        Embedded: what ``fetch.embedded`` may hold: how the synthetic archive is made.
    """

    FILES: dict[str, str]
    LIMITS: tuple[str, ...]
    Options: type[Section]
    Embedded: type[Section]

    def write_archive(self, folder: Path, options: Any) -> None:
        """Write a synthetic archive in exactly the published layout; ``options``: ``Embedded``."""

    def read_table(self, folder: Path, options: Any) -> RawTable:
        """Read and check the published tables; ``options``: ``Options``."""


def load_task(name: str, path: Path = PARAMS_FILE) -> Task:
    """Return a task by its name.

    ``dvc.yaml`` lists it as the folder ``verdict/tasks/${task}``; the test of code dependencies
    finds calls of this function.

    Args:
        path: the params file that names it, for messages.

    Raises:
        VerdictError: there is no such module, or it lacks something.
    """
    module = f"{__name__}.{name}"
    try:
        task = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise VerdictError(
            f"{path}: task is {name!r}, but verdict/tasks/ has no folder of that name; "
            "`python -m tools.new_task` makes one"
        ) from None
    needed = ("FILES", "LIMITS", "Options", "Embedded", "write_archive", "read_table")
    if missing := [part for part in needed if not hasattr(task, part)]:
        raise VerdictError(f"verdict/tasks/{name}/__init__.py lacks {', '.join(missing)}")
    return cast(Task, task)


def check_files(name: str, given: Collection[str], path: Path = PARAMS_FILE) -> None:
    """Refuse keys of ``fetch.files`` that are not the task's, or too few of them.

    Raises:
        VerdictError: a key is unknown, or one that must be there is missing.
    """
    task = load_task(name, path)
    optional: frozenset[str] = getattr(task, "OPTIONAL", frozenset())
    if not task.FILES.keys() - optional <= set(given) <= task.FILES.keys():
        may = f"; {', '.join(sorted(optional))} may be left out" if optional else ""
        raise VerdictError(
            f"{path}: fetch.files has {', '.join(given) or 'nothing'}, but the {name} task needs "
            f"exactly {', '.join(task.FILES)}{may}"
        )


def make_archive(name: str, folder: Path, options: Mapping[str, Any]) -> None:
    """Write a task's synthetic archive; ``options`` as ``fetch.embedded`` has them.

    Raises:
        VerdictError: an option is unknown, missing or out of range.
    """
    task = load_task(name)
    task.write_archive(folder, check_section(task.Embedded, options, "fetch.embedded"))


def read_raw(name: str, folder: Path, options: Mapping[str, Any]) -> RawTable:
    """Read a task's published tables; ``options`` as ``dataset`` has them.

    Raises:
        VerdictError: an option is unknown, missing or out of range, a table is not as it should
            be, or an id or group is no name.
    """
    task = load_task(name)
    table = task.read_table(folder, check_section(task.Options, options, "dataset"))
    check_identifiers(table.rows)
    return table
