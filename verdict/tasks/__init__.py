"""What is particular to one data set; ``params.yaml``'s ``task`` names a folder here.

A task is a package of three modules:

- ``layout``: ``FILES``, the names of its published files by the keys of ``fetch.files``
- ``embedded``: ``write_archive(folder, options)``, a synthetic archive in exactly the published
  layout; ``options`` is ``verdict.params.EmbeddedArchive``
- ``table``: ``read_table(folder) -> RawTable``, the rows of the published tables, checked
"""

import importlib
from types import ModuleType

from verdict.errors import VerdictError


def task_module(task: str, part: str) -> ModuleType:
    """Return one module of a task's package.

    ``dvc.yaml`` lists it as ``verdict/tasks/${task}/PART.py``; the test of code dependencies
    finds calls of this function by name, so pass ``part`` as a literal.
    """
    name = f"verdict.tasks.{task}.{part}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise VerdictError(
            f"params.yaml: task is {task!r}, but there is no module {name}; "
            "a task is a folder of verdict/tasks/"
        ) from None
