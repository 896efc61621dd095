"""What is particular to one data set; ``params.yaml``'s ``task`` names a folder here.

The folder is a package with what :class:`Task` lists, and in it one, ``archive``, with what
:class:`Archive` lists; ``python -m tools.new_task`` writes one to
begin with.
"""

import importlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from verdict.core.errors import VerdictError
from verdict.core.paths import PARAMS_FILE
from verdict.params.file import check_section
from verdict.params.section import Section
from verdict.records.raw import RawTable, check_identifiers


class Archive(Protocol):
    """A data set's ``archive``: its published files, and a synthetic stand-in for them.

    Attributes:
        FILES: the name of each published file by its key in ``fetch.files``; a name that ends in
            ``/`` is a folder, for an address that stands for several files.
        OPTIONAL: keys of ``FILES`` that ``fetch.files`` may lack; a task that has no such name
            needs them all.
        Embedded: what ``fetch.embedded`` may hold: how the synthetic archive is made.
    """

    FILES: dict[str, str]
    Embedded: type[Section]

    def write_archive(self, folder: Path, options: Any) -> None:
        """Write a synthetic archive in exactly the published layout; ``options``: ``Embedded``."""


class Task(Protocol):
    """A data set: how its published tables are read.

    Attributes:
        LIMITS: sentences for the model card: what the published data cannot show.
        Options: what ``dataset`` may hold in params.yaml: how the tables are read.
    """

    LIMITS: tuple[str, ...]
    Options: type[Section]

    def read_table(self, folder: Path, options: Any) -> RawTable:
        """Read and check the published tables; ``options``: ``Options``."""


def load_archive(name: str, path: Path = PARAMS_FILE) -> Archive:
    """Return a task's archive by the task's name, which the params file ``path`` has.

    ``fetch`` alone depends on the folder ``verdict/tasks/${task}/archive``, and on nothing else of
    a task; the test of code dependencies finds calls of this function.

    Raises:
        VerdictError: there is no such module, or it lacks something.
    """
    return cast(Archive, _load(name, "archive", ("FILES", "Embedded", "write_archive"), path))


def load_task(name: str, path: Path = PARAMS_FILE) -> Task:
    """Return a task by its name, which the params file ``path`` has.

    ``dvc.yaml`` lists it as the folder ``verdict/tasks/${task}``; the test of code dependencies
    finds calls of this function.

    Raises:
        VerdictError: there is no such module, or it lacks something.
    """
    return cast(Task, _load(name, "", ("LIMITS", "Options", "read_table"), path))


def _load(name: str, part: str, needed: Sequence[str], path: Path) -> ModuleType:
    places = [f"{__name__}.{name}", *([f"{__name__}.{name}.{part}"] if part else [])]
    try:
        modules = [importlib.import_module(place) for place in places]
    except ModuleNotFoundError as error:
        if error.name not in places:
            raise
        raise VerdictError(
            f"{path}: task is {name!r}, but verdict/tasks/ has no folder "
            f"{'of that name' if error.name == places[0] else f'{name}/{part}'}; "
            "`python -m tools.new_task` makes one"
        ) from None
    if missing := [attribute for attribute in needed if not hasattr(modules[-1], attribute)]:
        folder = "/".join(places[-1].split("."))
        raise VerdictError(f"{folder}/__init__.py lacks {', '.join(missing)}")
    return modules[-1]


def check_files(name: str, given: Collection[str], path: Path = PARAMS_FILE) -> None:
    """Refuse keys of ``fetch.files`` that are not the task's, or too few of them.

    Raises:
        VerdictError: a key is unknown, or one that must be there is missing.
    """
    archive = load_archive(name, path)
    optional: frozenset[str] = getattr(archive, "OPTIONAL", frozenset())
    if not archive.FILES.keys() - optional <= set(given) <= archive.FILES.keys():
        may = f"; {', '.join(sorted(optional))} may be left out" if optional else ""
        raise VerdictError(
            f"{path}: fetch.files has {', '.join(given) or 'nothing'}, but the {name} task needs "
            f"exactly {', '.join(archive.FILES)}{may}"
        )


def make_archive(name: str, folder: Path, options: Mapping[str, Any]) -> None:
    """Write a task's synthetic archive; ``options`` as ``fetch.embedded`` has them.

    Raises:
        VerdictError: an option is unknown, missing or out of range.
    """
    archive = load_archive(name)
    archive.write_archive(folder, check_section(archive.Embedded, options, "fetch.embedded"))


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
