"""Bring one raw file here, resuming where an earlier attempt ended."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from verdict.core.errors import VerdictError
from verdict.runtime.progress import Bar, progress
from verdict.sources.addresses import own_name, redacted, scheme_of
from verdict.sources.filesystems import open_bucket, open_local
from verdict.sources.http import open_http
from verdict.sources.hub_data import open_hub_file
from verdict.sources.kaggle import open_kaggle
from verdict.sources.packages import take_from_package
from verdict.sources.partial import Partial
from verdict.sources.received import Received, check_sha256
from verdict.sources.stream import LENGTH, Opener, Transient

#: Attempts in a row that bring nothing new before the download is given up.
ATTEMPTS = 6
#: Seconds before the second attempt; doubled at each further one.
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
#: The longest wait, in seconds, that a server's Retry-After is granted.
LONGEST_RETRY_AFTER = 300.0

_OPENERS: dict[str, Opener] = {
    "http": open_http,
    "https": open_http,
    "file": open_local,
    "gs": open_bucket,
    "s3": open_bucket,
    "hf": open_hub_file,
    "kaggle": open_kaggle,
}
#: Not opened, but taken out of what another program brings.
_PACKAGES = "pypi"


def receive(address: str, *, sha256: str | None, partial_folder: Path) -> Received:
    """Bring the file at ``address`` whole into ``partial_folder``, to be placed by the caller.

    Where several files belong together, receive all before placing any: what has arrived is kept
    if a later one fails. A killed or failed download goes on, at the next call, from the bytes
    kept in ``partial_folder``, provided that the source still is what it was.

    Args:
        address: ``http(s)://``, ``gs://``, ``s3://``, ``hf://``, ``kaggle://``, ``pypi://``,
            ``file://`` or a local path; of one file.
        sha256: the SHA-256 that the file must have, in hexadecimal; None checks the length alone.
        partial_folder: where unfinished data is kept; it should outlive the stage's outputs.

    Returns:
        The one file, under the name that it is published with.

    Raises:
        VerdictError: the address is of no known kind, cannot be reached, refuses access or does
            not exist; the checksum is wrong; there is no space left; or another process is
            downloading it.
    """
    shown, scheme = redacted(address), scheme_of(address)
    if scheme not in (*_OPENERS, _PACKAGES):
        known = ", ".join(f"{known}://" for known in (*_OPENERS, _PACKAGES))
        raise VerdictError(
            f"{shown}: {scheme}:// is not supported. Give an address that begins with {known}, or "
            "a local path."
        )
    partial = Partial(partial_folder, address)
    with partial.locked(shown):
        if scheme == _PACKAGES:
            take_from_package(address, partial)
        else:
            opener, trusted = _OPENERS[scheme], sha256 is not None
            with _Transfer(address, opener, partial, trusted=trusted) as transfer:
                transfer.run()
        received = Received({own_name(address): partial.data}, partial.discard)
        if sha256 is not None:
            check_sha256(received, sha256, shown)
    return received


class _Transfer:
    """The attempts to receive one file.

    ``trusted``: the content will be checked, so bytes of an unnamed version may be continued.
    """

    def __init__(self, address: str, opener: Opener, partial: Partial, *, trusted: bool):
        self._address, self._opener, self._partial = address, opener, partial
        self._trusted = trusted
        self._failures = 0  # in a row, without anything new
        self._furthest = partial.size
        self._stack = ExitStack()
        self._bar: Bar | None = None
        self._counted = 0  # bytes that the bar shows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def run(self) -> None:
        """Receive everything.

        Raises:
            VerdictError: it cannot be had.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            stop=lambda state: self._failures >= ATTEMPTS,
            wait=self._wait,
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            retrying(self._attempt)
        except Transient as problem:
            raise VerdictError(
                f"Could not download {redacted(self._address)}: {problem} (after {ATTEMPTS} "
                "attempts). Check the network and the address, and run again; the download goes "
                "on from what has arrived."
            ) from None

    def _attempt(self) -> None:
        try:
            self._receive()
        except Transient as problem:
            if problem.discard:
                self._partial.discard()
            # A long download over a poor line may fail often, as long as it gets on.
            if self._partial.size > self._furthest:
                self._furthest = self._partial.size
                self._failures = 0
            self._failures += 1
            raise

    def _receive(self) -> None:
        known = self._partial.version
        named = known.keys() - {LENGTH}
        offset = self._partial.size if named or self._trusted else 0
        with self._opener(self._address, offset, known if offset else {}) as stream:
            if stream.start == 0:
                self._partial.restart(stream.version)
            if stream.total is not None:
                self._partial.reserve(stream.total - stream.start)
            self._show(stream.start, stream.total)
            for length in self._partial.append(stream.chunks):
                self._show(self._counted + length, stream.total)
        received = self._partial.size
        if stream.total is not None and received != stream.total:
            raise Transient(
                f"{received:,} of {stream.total:,} bytes arrived", discard=received > stream.total
            )

    def _show(self, position: int, total: int | None, note: str = "") -> None:
        if self._bar is None:
            megabytes = None if total is None else total / 1e6
            task = f"download {own_name(self._address)}"
            self._bar = self._stack.enter_context(progress(task, megabytes, "MB"))
        self._bar.advance((position - self._counted) / 1e6, note)
        self._counted = position

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        problem = state.outcome.exception()
        asked = problem.retry_after if isinstance(problem, Transient) else 0.0
        backoff = FIRST_WAIT * 2 ** (self._failures - 1)
        return max(min(asked, LONGEST_RETRY_AFTER), min(backoff, LONGEST_WAIT))

    def _announce(self, state: RetryCallState) -> None:
        if self._bar is not None and state.outcome is not None and state.next_action is not None:
            problem = state.outcome.exception()
            self._bar.advance(0, f"{problem}; again in {state.next_action.sleep:.0f} s")
