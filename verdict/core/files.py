"""Write files and folders so that a reader never sees half of one."""

import csv
import errno
import glob
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError

#: This machine, which may share its file system with others.
_HOST = re.sub(r"[^A-Za-z0-9]", "", os.uname().nodename)[:32]
#: Tells this process from an earlier one that had the same number.
_START = secrets.token_hex(4)
_COUNT = itertools.count()
#: What ``_mark`` makes.
_MARK = re.compile(r"\.(?P<pid>\d+)-(?P<start>[0-9a-f]{8})-\d+-(?P<host>[A-Za-z0-9]*)$")
#: What readers of CSV, JSON, Parquet and text raise for damaged files, and looking into them.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error)
#: Seconds after which what another machine's process has not touched is taken for left behind.
_ABANDONED = 7 * 24 * 3600


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it over ``path`` if the block succeeds.

    Works for a file and for a folder (the block creates whichever it wants). When the block
    raises, the temporary is removed and whatever stood at ``path`` before stays as it was.

    Each of several writers has a temporary of its own, in whatever thread or process it is: what
    the last one to end has written stays, whole. What killed writers have left in the same folder
    is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path.parent)
    mark = _mark()
    partial = path.with_name(f".{path.name}.{mark}.partial")
    try:
        yield partial
        if partial.is_dir():
            _put_folder(partial, path, path.with_name(f".{path.name}.{mark}.previous"))
        else:
            os.replace(partial, path)
    finally:
        _remove(partial)


def _mark() -> str:
    """Return what no other temporary has in its name, and what tells whether its writer lives."""
    return f"{os.getpid()}-{_START}-{next(_COUNT)}-{_HOST}"


def _put_folder(partial: Path, path: Path, previous: Path) -> None:
    """Rename a folder over another one, which has to be moved aside first."""
    while True:
        if path.is_dir():
            with suppress(FileNotFoundError):  # another writer has just moved it
                path.rename(previous)
        try:
            partial.rename(path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        # Another writer has put its own there meanwhile, which is older now.
        _remove(previous)
    _remove(previous)
    # Only now: a writer that was killed between two renames left the only whole folder there.
    _remove_left_behind(path.parent, glob.escape(f".{path.name}."), ".previous")


@cache
def _clear(folder: Path) -> None:
    """Remove what killed writers have left in a folder; once, since it may hold many files."""
    _remove_left_behind(folder, ".", ".partial")


def _remove_left_behind(folder: Path, begin: str, kind: str) -> None:
    """Remove the temporaries of a kind whose writers were killed, and whose names so begin."""
    for found in folder.glob(f"{begin}*{kind}"):
        mark = _MARK.search(found.name.removesuffix(kind))
        if mark and not _in_use(found, mark):
            # Another process may be removing it, too; and what cannot go is in nobody's way.
            with suppress(OSError):
                _remove(found)


def _in_use(temporary: Path, mark: re.Match[str]) -> bool:
    """Say whether the process lives that writes it, as far as can be told from here."""
    if mark["host"] != _HOST:
        with suppress(FileNotFoundError):
            return time.time() - temporary.lstat().st_mtime < _ABANDONED
        return False
    pid = int(mark["pid"])
    if pid == os.getpid():
        return mark["start"] == _START
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is another user's
        pass
    return True


@contextmanager
def as_written(path: Path | str, stage: str) -> Iterator[None]:
    """Say of a file that a stage has written, and that is read meanwhile, what is wrong with it.

    Args:
        stage: which has written it.

    Raises:
        VerdictError: it is missing or damaged, instead of whatever reading it raises; what the
            system refuses stays an OSError.
    """
    try:
        yield
    except FileNotFoundError:
        raise VerdictError(f"{path} is missing; run `dvc repro {stage}` or `dvc pull`") from None
    except OSError as error:
        if error.errno is not None:
            raise
        problem = str(error)  # pyarrow says so that a file is damaged
    except _DAMAGE as error:
        problem = f"{type(error).__name__}: {error}"
    else:
        return
    line = problem.partition("\n")[0][:300]
    raise VerdictError(
        f"{path} is not as it was written ({line}); run `dvc checkout --force {path}`, which "
        f"brings it back, or `dvc repro --force {stage}`"
    )


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, keys in the given order, with a final newline."""
    with replacing(path) as partial:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with Unix line ends."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_tree(folder: Path | str) -> str:
    """Return one SHA-256 over every file below ``folder``: sorted relative names and contents.

    Python's caches do not count, as for DVC (``.dvcignore``).
    """
    folder = Path(folder)
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
