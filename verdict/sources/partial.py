"""The bytes received so far, kept where a killed download can find them again."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from verdict.core.errors import VerdictError
from verdict.core.files import replacing, write_json


class Partial:
    """The partial data of one address, and the version of the source that it came from.

    Three files in ``folder``, named by the SHA-256 of the address: ``.data``, ``.json`` and
    ``.lock``. None of them holds the address, which may carry a secret.
    """

    def __init__(self, folder: Path, address: str):
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(address.encode()).hexdigest()
        self._folder = folder
        self.data = folder / f"{name}.data"
        self._version = folder / f"{name}.json"
        self._lock = FileLock(folder / f"{name}.lock")

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self.data.stat().st_size if self.data.exists() else 0

    @property
    def version(self) -> dict[str, str]:
        """What the source said about its content when these bytes were received."""
        try:
            return json.loads(self._version.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    @contextmanager
    def locked(self, shown: str) -> Iterator[None]:
        """Keep a second process from appending to the same data.

        Raises:
            VerdictError: another process has it.
        """
        try:
            with self._lock.acquire(timeout=0):
                yield
        except Timeout:
            raise VerdictError(
                f"Another process is downloading {shown}. Wait for it, or end it and run again."
            ) from None

    def restart(self, version: dict[str, str]) -> None:
        """Begin again with no bytes, of the given version."""
        self.discard()
        with space_reported(self._folder):
            self.data.touch()
            write_json(self._version, version)

    def discard(self) -> None:
        """Delete what was received."""
        self._version.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)

    def append(self, chunks: Iterator[bytes]) -> Iterator[int]:
        """Write ``chunks`` behind what is there, and yield the length of each once written."""
        with space_reported(self._folder), self.data.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                file.flush()  # so that a kill loses nothing that was counted
                yield len(chunk)

    def reserve(self, needed: int) -> None:
        """Fail early where ``needed`` more bytes do not fit.

        Raises:
            VerdictError: the file system has less space than that.
        """
        if shutil.disk_usage(self._folder).free < needed:
            raise _no_space(self._folder, needed)


def move(source: Path, destination: Path) -> None:
    """Move a finished file to ``destination``, on whatever file system it lies."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with space_reported(destination.parent), replacing(destination) as copy:
            shutil.copyfile(source, copy)
        source.unlink()


@contextmanager
def space_reported(folder: Path) -> Iterator[None]:
    """Turn "no space left on device" into a VerdictError that says how much ``folder`` has."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(folder, None) from None
        raise


def _no_space(folder: Path, needed: int | None) -> VerdictError:
    free = shutil.disk_usage(folder).free
    more = f"{needed / 1e6:,.0f} MB are still needed and " if needed else ""
    return VerdictError(
        f"No space left in {folder}: {more}{free / 1e6:,.0f} MB are free. Free some space and run "
        "again; the download goes on from what has arrived."
    )
