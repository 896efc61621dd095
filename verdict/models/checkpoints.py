"""Checkpoints that can be trusted: keyed by what they came from, complete or not used at all.

A run's checkpoints lie in ``.checkpoints/<key>/checkpoint-<step>``. The key is a hash of everything
that decides the result, so that a changed parameter, data set or base never resumes from them. Each
is sealed at the very end with the size and SHA-256 of its files; one without a valid seal was cut
off while it was written.
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

from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of, write_json
from verdict.core.processes import is_main
from verdict.core.project import CHECKPOINTS, project_root

_SEAL = "sealed.json"


def folder_for(inputs: dict[str, Any]) -> Path:
    """Return the folder of the run that ``inputs`` (parameters and hashes, as JSON) decide.

    It lies in the project itself, also for an experiment in one of DVC's temporary workspaces,
    which are deleted when it ends.
    """
    text = json.dumps(inputs, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(os.path.relpath(project_root() / CHECKPOINTS / key))


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder for this run; the system lets go of it even if the process is killed.

    Of several processes that train together the first holds it for all.

    Raises:
        VerdictError: another process trains into the same folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not is_main():
        yield
        return
    lock = FileLock(folder / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise VerdictError(
            f"another training with the same parameters, data and base is running (it holds "
            f"{lock.lock_file}). Wait for it or stop it; if dvc was killed, its training may still "
            "be running: see `pgrep -f stages.train`"
        ) from None
    try:
        yield
    finally:
        lock.release()


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as complete: list its files with their sizes and hashes."""
    write_json(checkpoint / _SEAL, _listing(checkpoint))


def newest_complete(folder: Path) -> Path | None:
    """Return the newest checkpoint whose seal holds; say so about each newer one that is damaged.

    A damaged one is removed: the run will write that step again.
    """
    checkpoints = sorted(
        folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]), reverse=True
    )
    for checkpoint in checkpoints:
        problem = _problem(checkpoint)
        if problem is None:
            return checkpoint
        if is_main():
            print(f"train: {checkpoint} is not complete ({problem}); going back to the one before")
            shutil.rmtree(checkpoint, ignore_errors=True)
    return None


def discard(folder: Path) -> None:
    """Remove all that a finished run kept; its lock is let go of by the one who holds it."""
    shutil.rmtree(folder)


def _problem(checkpoint: Path) -> str | None:
    try:
        sealed = json.loads((checkpoint / _SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "it was cut off while it was written"
    for name, expected in sealed.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["size"]:
            return f"{name} has {path.stat().st_size} of {expected['size']} bytes"
        if sha256_of(path) != expected["sha256"]:
            return f"{name} is damaged"
    return None


def _listing(checkpoint: Path) -> dict[str, Any]:
    return {
        path.relative_to(checkpoint).as_posix(): {
            "size": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != _SEAL
    }
