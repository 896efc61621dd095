"""Whether a predictions file is still the one that the evaluation wrote."""

import hashlib
import json
import os
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import LOCK_FILE
from verdict.core.yaml12 import load_yaml

#: What reading a ``dvc.lock`` raises that DVC has not written, or that somebody has changed.
NOT_AS_WRITTEN = (
    VerdictError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


def edited_by_hand(path: Path, lock: Path = LOCK_FILE) -> str | None:
    """Return a warning where a file is not the one that ``dvc.lock`` has written down, or None.

    DVC notes the MD5 of each output when its stage has run, before the next stage begins. Paths in
    the lock count from its folder. A file that it does not know has nothing to differ from.

    Args:
        path: of an output, a file or a folder of files; it has to exist.
        lock: ``dvc.lock``; without one there is no warning.
    """
    if not lock.exists():
        return None
    try:
        recorded = _recorded(lock).get(os.path.abspath(path))
    except NOT_AS_WRITTEN:
        return f"{lock} cannot be read, so nobody can say whether {path} was edited; mend it first"
    found = _md5_of_folder(path) if path.is_dir() else _md5(path)
    if recorded in (None, found):
        return None
    return (
        f"{path} is not the file that was evaluated: its MD5 is {found}, {lock} has {recorded}. "
        "Every number here is of the changed file; "
        f"`dvc checkout --force {path}` brings back the evaluated one"
    )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _md5_of_folder(folder: Path) -> str:
    """Return the MD5 of the list that DVC keeps of a folder's files."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    listing = [{"md5": _md5(folder / name), "relpath": name} for name in files]
    return hashlib.md5(json.dumps(listing).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _recorded(lock: Path) -> dict[str, str]:
    """Return the MD5 of every output by its absolute path; links are not followed."""
    stages = load_yaml(lock.read_bytes(), lock).get("stages", {})
    return {
        os.path.abspath(lock.parent / out["path"]): out["md5"]
        for stage in stages.values()
        for out in stage.get("outs", [])
        if "md5" in out
    }
