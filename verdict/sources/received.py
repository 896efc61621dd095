"""What has arrived and waits to be placed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.sources.partial import move


@dataclass(frozen=True)
class Received:
    """The files that one address stood for.

    Attributes:
        files: where the bytes of each file lie, by the name that it is published under.
        discard: deletes whatever of it is left.
    """

    files: dict[str, Path]
    discard: Callable[[], None]

    def place(self, destination: Path) -> None:
        """Move the only file to ``destination``."""
        (path,) = self.files.values()
        move(path, destination)
        self.discard()

    def place_in(self, folder: Path) -> None:
        """Move every file into ``folder`` under its own name."""
        for name, path in self.files.items():
            move(path, folder / name)
        self.discard()


def check_sha256(received: Received, sha256: str, shown: str) -> None:
    """Check the only file.

    Args:
        received: is deleted where the checksum is wrong.
        sha256: what it must be, in hexadecimal, upper or lower case.
        shown: the address as it may be shown.

    Raises:
        VerdictError: it is another.
    """
    (path,) = received.files.values()
    if (found := sha256_of(path)) == sha256.lower():
        return
    received.discard()
    raise VerdictError(
        f"{shown} has the wrong checksum: expected SHA-256 {sha256}, got {found}. It was deleted, "
        "so the next run downloads it afresh. If that gives the same, the file has changed where "
        "it is published: check it, and correct the sha256."
    )
