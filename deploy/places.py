"""What run.sh asks of the places that outlive a machine: the results of a run, and DVC's remote.

    python deploy/places.py check PLACE           can PLACE and this project's remote be written?
    python deploy/places.py take PLACE FOLDER     fetch the bundle that a run has left in PLACE
    python deploy/places.py copy DATABASE FILE    copy a SQLite database, of MLflow's runs
    python deploy/places.py bring FOLDER PLACE    put what FOLDER holds into PLACE

PLACE is any address or folder that fsspec knows.
"""

import secrets
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from fsspec.core import url_to_fs

#: Where a folder need not be made; a bucket whose name is misspelt would be.
BUCKETS = {"gs", "gcs", "s3", "s3a", "abfs", "az", "azure"}
#: What a run leaves, the better one first.
BUNDLES = ("results.bundle", "unfinished.bundle")


def check(place: str) -> None:
    """Write a small object into both places, and remove it.

    Raises:
        SystemExit: one of them cannot be written; names it, and says why.
    """
    try:
        _try(*url_to_fs(place))
    except Exception as error:  # those of the many file systems have nothing in common
        sys.exit(f"run: {place} cannot be written; the results would be lost. {_reason(error)}")
    try:
        with Repo() as repo:
            remote = repo.cloud.get_remote(command="push")
            _try(remote.fs, remote.path)
    except Exception as error:
        sys.exit(
            f"run: DVC's remote cannot be written; what is made would be lost. {_reason(error)}"
        )


def _try(files: Any, folder: str) -> None:
    _make(files, folder)
    path = f"{folder}/.try-{secrets.token_hex(8)}"
    files.pipe_file(path, b"Can this place be written?\n")
    files.rm_file(path)


def _make(files: Any, folder: str) -> None:
    names = {files.protocol} if isinstance(files.protocol, str) else {*files.protocol}
    if not names & BUCKETS:
        files.makedirs(folder, exist_ok=True)


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def take(place: str, folder: str) -> None:
    """Fetch one bundle into the folder; without any there is nothing to do."""
    files, root = url_to_fs(place)
    for name in BUNDLES:
        if files.exists(f"{root}/{name}"):
            files.get_file(f"{root}/{name}", f"{folder}/{name}")
            return


def copy(database: str, file: str) -> None:
    """Copy a database as a whole, also while a tracker still writes to it."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)


def bring(folder: str, place: str) -> None:
    """Put the folder's files there; of bundles only those that it holds are left.

    A run that failed, was mended and then succeeded would otherwise leave both.
    """
    files, root = url_to_fs(place)
    _make(files, root)
    files.put(f"{folder}/", root, recursive=True)
    mine = {path.name for path in Path(folder).glob("*.bundle")}
    files.invalidate_cache()
    for name in BUNDLES:
        if mine and name not in mine and files.exists(f"{root}/{name}"):
            files.rm_file(f"{root}/{name}")


COMMANDS: dict[str, Callable[..., None]] = {
    "check": check, "take": take, "copy": copy, "bring": bring,
}  # fmt: skip

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
