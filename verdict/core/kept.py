"""Where work that may be killed keeps what it has finished: ``.checkpoints/<kind>/<key>/``.

The key is a hash of everything that decides the result, so that nothing resumes from the work of
other inputs.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import verdict
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.core.project import CHECKPOINTS, project_root


def folder_of(kind: str, decisive: Any) -> Path:
    """Return the folder of the work that ``decisive`` (as JSON) decides.

    It lies in the project itself, also for an experiment in one of DVC's temporary workspaces.
    """
    text = json.dumps(decisive, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(os.path.relpath(project_root() / CHECKPOINTS / kind / key))


def digests_of_sources(*places: str) -> dict[str, str]:
    """Return the SHA-256 of each of these modules, and of those in these folders, by its path."""
    root = Path(verdict.__file__).parent
    files = [
        path
        for place in places
        for path in (
            [root / place] if place.endswith(".py") else sorted((root / place).rglob("*.py"))
        )
    ]
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in files}


@contextmanager
def exclusive(folder: Path, what: str, stage: str) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it even if it is killed.

    Args:
        what: the work, for the message: "evaluation of the same model on the same records".
        stage: the name of the stage's module.

    Raises:
        VerdictError: another process works into the same folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise VerdictError(
            f"another {what} is running (it holds {lock.lock_file}). Wait for it or stop it; if "
            f"dvc was killed, it may still be running: see `pgrep -f stages.{stage}`"
        ) from None
    try:
        yield
    finally:
        lock.release()


def discard(folder: Path) -> None:
    """Remove all that finished work kept."""
    shutil.rmtree(folder)
