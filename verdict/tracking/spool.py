"""The file of events between the work and the trackers: one JSON line an event, only appended.

No secret stands in it: no password of an address, and no token from the environment.
"""

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.sources.addresses import redacted, scheme_of

Event = dict[str, Any]

#: Everything that tracking keeps on disk, in the project's folder.
TRACKING = Path(".tracking")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+")
_SECRET_NAME = re.compile(r"(PASSWORD|TOKEN|SECRET|API_KEY|ACCESS_KEY|KAGGLE_KEY)$")
#: Shorter values of such variables are no secrets, and would blank out ordinary text.
_SHORTEST = 6


@dataclass(frozen=True)
class Spool:
    """The paths of one run's events.

    Attributes:
        path: the events, ``.tracking/<time>-<id>.jsonl``.
    """

    path: Path

    @property
    def id(self) -> str:
        """Identifies the run in every tracker, so that nothing is sent twice."""
        return self.path.stem

    @property
    def files(self) -> Path:
        """Copies of figures and adapter: a later stage may replace the originals before upload."""
        return self.path.with_suffix(".files")

    @property
    def sent(self) -> Path:
        """What has already been sent, by tracker."""
        return self.path.with_suffix(".sent")

    @property
    def lock(self) -> Path:
        """Held by the process that sends."""
        return self.path.with_suffix(".lock")

    def remove(self) -> None:
        """Delete everything, the events last: without them nobody looks for the rest."""
        shutil.rmtree(self.files, ignore_errors=True)
        for path in (self.sent, self.lock, self.path):
            path.unlink(missing_ok=True)


class SpoolWriter:
    """Appends events. Every method may raise ``OSError``."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}.jsonl"
        self.spool = Spool(folder / name)
        self._file = self.spool.path.open("x", encoding="utf-8")
        self._copies = 0

    def append(self, event: str, **values: Any) -> None:
        """Write one event with the present time."""
        line = {"event": event, "time": time.time_ns() // 1_000_000, **values}
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        self._file.flush()

    def keep(self, paths: Sequence[Path]) -> list[str]:
        """Take files and folders into the spool; return their names relative to ``Spool.files``.

        Files are copied; those of a folder, which may be large, are linked where that is possible:
        such folders are replaced whole, and never written to again.
        """
        self._copies += 1
        folder = self.spool.files / str(self._copies)
        folder.mkdir(parents=True)
        for path in paths:
            if path.is_dir():
                shutil.copytree(path, folder / path.name, copy_function=_link)
            else:
                shutil.copyfile(path, folder / path.name)
        return [f"{self._copies}/{path.name}" for path in paths]

    def close(self) -> None:
        self._file.close()


class SpoolReader:
    """Reads events while they are being written, or afterwards."""

    def __init__(self, spool: Spool):
        self._path, self._position, self._line = spool.path, 0, 0

    def read_new(self) -> list[tuple[int, Event]]:
        """Return the complete events since the last call, each with its number from 0.

        Raises:
            VerdictError: the file is not what ``SpoolWriter`` writes.
        """
        return list(self._new())

    def _new(self) -> Iterator[tuple[int, Event]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except OSError as error:
            raise VerdictError(
                f"{self._path} cannot be read ({os.strerror(error.errno or 0)}); "
                f"what has not been uploaded yet is listed by `ls {TRACKING}/*.jsonl`"
            ) from None
        # The last line may still be in the making, or was cut when its writer died.
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        for line in complete.splitlines():
            yield self._line, self._parse(line)
            self._line += 1
        if not self._line:
            raise VerdictError(f"{self._path} holds no events; there is nothing to upload")

    def _parse(self, line: bytes) -> Event:
        try:
            event = json.loads(line)
            if isinstance(event["event"], str) and (event["event"] == "start") == (not self._line):
                return event
        except (ValueError, TypeError, KeyError):
            pass
        raise VerdictError(
            f"{self._path}, line {self._line + 1}: this is no tracking event; the file is damaged "
            "or another one. Remove the line to upload the rest (the first line is needed)"
        )


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


def without_secrets(value: Any) -> Any:
    """Return ``value`` (text, or lists and mappings of it) as it may be recorded and shown."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _clean(text: str) -> str:
    for name, secret in os.environ.items():
        if _SECRET_NAME.search(name) and len(secret) >= _SHORTEST:
            text = text.replace(secret, "…")
    return _ADDRESS.sub(lambda found: _clean_address(found.group()), text)


def _clean_address(address: str) -> str:
    # A database's file may look like an empty host with a path; it carries no secret there.
    return address if scheme_of(address) == "sqlite" else redacted(address)
