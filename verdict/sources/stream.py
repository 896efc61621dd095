"""What every kind of source gives to the transfer: bytes from a position on, or a failure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

#: Key of a version's length in bytes; every other key is a token that names the version.
LENGTH = "length"


@dataclass(frozen=True)
class Stream:
    """An opened source.

    Attributes:
        start: position of the first byte in ``chunks``: the one asked for, or 0 where the source
            has changed or cannot resume.
        version: what the source says about its content (ETag, date, length), to be compared when
            the transfer is resumed. All values are text.
        chunks: the bytes, in pieces.
    """

    start: int
    version: dict[str, str]
    chunks: Iterator[bytes]

    @property
    def total(self) -> int | None:
        """Length of the whole file in bytes, if the source states it."""
        return int(self.version[LENGTH]) if LENGTH in self.version else None


class Transient(Exception):
    """A failure that may be gone at the next attempt. Its text ends up in front of a person.

    Args:
        reason: what came back, without the secret parts of the address.
        retry_after: seconds that the source asked us to wait.
        discard: the bytes received so far are of no use.
    """

    def __init__(self, reason: str, *, retry_after: float = 0.0, discard: bool = False):
        super().__init__(reason)
        self.retry_after = retry_after
        self.discard = discard


#: Opens an address at a position, given the version that the bytes before it came from.
#: Raises Transient, or VerdictError where another attempt cannot help.
Opener = Callable[[str, int, Mapping[str, str]], AbstractContextManager[Stream]]


def differs(known: Mapping[str, str], current: Mapping[str, str]) -> bool:
    """Tell whether two statements about a source contradict each other."""
    return any(known[key] != current[key] for key in known.keys() & current.keys())
