"""Bring the raw data of a task into one folder, under its published names."""

from pathlib import Path

from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.params import Fetch
from verdict.sources.download import receive
from verdict.tasks import task_module

#: Partial downloads live here, outside every stage's outputs, so that a killed one goes on.
PARTIAL = Path(".downloads")


def fetch_data(task: str, options: Fetch, destination: Path) -> None:
    """Fill ``destination`` with the task's published files, downloaded or synthetic.

    Raises:
        VerdictError: a file has no address, or cannot be brought. Nothing is replaced then.
    """
    names: dict[str, str] = task_module(task, "layout").FILES
    with replacing(destination) as partial:
        partial.mkdir()
        if options.source == "embedded":
            task_module(task, "embedded").write_archive(partial, options.embedded)
            return
        if names.keys() != options.files.keys():
            raise VerdictError(
                f"params.yaml: fetch.files has {', '.join(options.files) or 'nothing'}, but the "
                f"{task} task needs exactly {', '.join(names)}"
            )
        # All are received before any is placed: a failure keeps what has come so far.
        received = {
            name: receive(
                options.files[key].address,
                sha256=options.files[key].sha256,
                partial_folder=PARTIAL,
            )
            for key, name in names.items()
        }
        for name, file in received.items():
            file.place(partial / name)
