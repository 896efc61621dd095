"""Where work that may be killed keeps what it has finished, so that it need not begin again.

It lies in ``.checkpoints/<kind>/<key>/``. The key is a hash of everything that decides the result,
so that a changed parameter, data set or model never resumes from what came of others. Each finished
piece (a checkpoint, a batch, a shard) is sealed at the very end, with the size and SHA-256 of its
files; one without a valid seal was cut off while it was written, or has changed, and is not used.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import verdict
from verdict.core.errors import VerdictError
from verdict.core.files import replacing, sha256_of
from verdict.core.project import CHECKPOINTS, project_root
from verdict.runtime.processes import is_main

_CHECKPOINT_SEAL = "sealed.json"


def folder_of(kind: str, decisive: Any) -> Path:
    """Return the folder of the work that ``decisive`` (as JSON) decides.

    It lies in the project itself, also for an experiment in one of DVC's temporary workspaces,
    which are deleted when it ends.
    """
    text = json.dumps(decisive, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(os.path.relpath(project_root() / CHECKPOINTS / kind / key))


def digests_of_sources(*places: str) -> dict[str, str]:
    """Return the SHA-256 of each of these modules, and of those in these folders, by its path."""
    root = Path(verdict.__file__).parent
    files = [
        path
        for place in map(root.joinpath, places)
        for path in ([place] if place.is_file() else sorted(place.rglob("*.py")))
    ]
    return {path.relative_to(root).as_posix(): sha256_of(path) for path in files}


@contextmanager
def exclusive(folder: Path, what: str, stage: str) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it even if it is killed.

    Of several processes that train together the first holds it for all.

    Args:
        what: the work, for the message: "evaluation of the same model on the same records".
        stage: the name of the stage's module.

    Raises:
        VerdictError: another process works into the same folder.
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
            f"another {what} is running (it holds {lock.lock_file}). Wait for it or stop it; if "
            f"dvc was killed, it may still be running: see `pgrep -f stages.{stage}`"
        ) from None
    try:
        yield
    finally:
        lock.release()


def discard(folder: Path) -> None:
    """Remove all that finished work kept; its lock is let go of by the one who holds it."""
    shutil.rmtree(folder)


class UnsealedError(Exception):
    """What a seal stands for cannot be used; the text says why."""


def seal(path: Path, content: Any = None, files: Iterable[Path] = ()) -> None:
    """Write a seal: the last of what a finished piece leaves.

    Args:
        content: what to remember of the piece (JSON, in which numbers stay as they are to the bit).
        files: what belongs to it, in the seal's folder or below.
    """
    listing = {
        file.relative_to(path.parent).as_posix(): [file.stat().st_size, sha256_of(file)]
        for file in files
    }
    sealed = {"content": content, "files": listing}
    text = json.dumps(sealed, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        digest = hashlib.sha256(text.encode()).hexdigest()
        partial.write_text(f"{digest}\n{text}", encoding="utf-8", newline="")


def unseal(path: Path) -> Any:
    """Return the content of a seal, its files looked through.

    Raises:
        UnsealedError: there is no seal, or it or one of its files is not as it was written.
    """
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
    except OSError:
        digest = text = b""
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise UnsealedError("it was cut off while it was written")
    sealed = json.loads(text)
    for name, (size, sha256) in sealed["files"].items():
        file = path.parent / name
        if not file.is_file():
            raise UnsealedError(f"{name} is missing")
        if file.stat().st_size != size:
            raise UnsealedError(f"{name} has {file.stat().st_size} of {size} bytes")
        if sha256_of(file) != sha256:
            raise UnsealedError(f"{name} is damaged")
    return sealed["content"]


def seal_checkpoint(folder: Path) -> None:
    """Mark a checkpoint of training as complete."""
    path = folder / _CHECKPOINT_SEAL
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file != path]
    seal(path, files=files)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint whose seal holds; say so about each newer one that is damaged.

    A damaged one is removed: the run will write that step again.
    """
    checkpoints = sorted(
        folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]), reverse=True
    )
    for checkpoint in checkpoints:
        try:
            unseal(checkpoint / _CHECKPOINT_SEAL)
        except UnsealedError as problem:
            if is_main():
                print(
                    f"train: {checkpoint} is not complete ({problem}); going back to the one before"
                )
                shutil.rmtree(checkpoint, ignore_errors=True)
        else:
            return checkpoint
    return None
