"""Where the project is, also from one of DVC's temporary workspaces."""

from pathlib import Path

from verdict.core.paths import PIPELINE_FILE

#: Where work that may be killed keeps what it has finished, in the project's folder.
CHECKPOINTS = ".checkpoints"


def project_root() -> Path:
    """Return the project's folder: the nearest one upwards with a dvc.yaml, or the current one.

    In one of DVC's temporary workspaces it is the project that they belong to: they are deleted
    when the experiment ends.
    """
    here = Path.cwd()
    folders = [here, *here.parents]
    root = next((folder for folder in folders if (folder / PIPELINE_FILE).is_file()), here)
    parts = root.parts
    for index in range(len(parts) - 2):
        if parts[index : index + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:index])
    return root
