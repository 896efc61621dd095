"""Google Cloud Storage on this machine: ``gcp-storage-emulator``, mended where it loses data.

As published (2026.7.19) it

* drops a final ``\\r`` of what is uploaded in one request, since it parses it as an e-mail;
* stores what has arrived when a client is killed in the middle of an upload;
* rewrites its whole index, in place, for each object: a push of n objects writes n² entries, and a
  kill in that moment loses them all;
* reads and writes again, with each part of an upload, all parts that had arrived before.

Here an object that was acknowledged survives ``kill -9``. Uploads in parts and policies of buckets
are forgotten when the server ends; what DVC needs is not.
"""

import json
import logging
import sys
from collections.abc import Iterator
from email.message import Message
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from gcp_storage_emulator import (  # type: ignore[import-untyped]
    exceptions,
    server,
    storage,
)
from gcp_storage_emulator.handlers.buckets import create_bucket  # type: ignore[import-untyped]

from verdict.core.files import replacing

HOST = "127.0.0.1"
_IDLE = 60.0  # seconds, after which a client that says nothing is dropped
_LOGGERS = ("gcp_storage_emulator", "api.bucket", "api.object")

_read_body, _read_other_data = server._read_raw_data, server._read_data


class Storage(storage.Storage):
    """Buckets and objects in a folder; the index is a journal with a line for each change."""

    def __init__(self, folder: Path):
        self._folder = folder.resolve()
        self._journal = self._folder / "journal.jsonl"
        super().__init__(data_dir=str(self._folder))

    def _read_config_from_file(self) -> None:
        """Read the journal, and write it anew: whole lines, each bucket and object once."""
        self.buckets: dict[str, Any] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.resumable: dict[str, Any] = {}
        self.bucket_iam_policies: dict[str, Any] = {}
        self.soft_deleted: dict[str, Any] = {}
        for bucket, name, described in _lines(self._journal):
            if name is None:
                self.buckets[bucket] = described
            elif described is None:
                self.objects[bucket].pop(name, None)
            else:
                self.objects.setdefault(bucket, {})[name] = described
        lines = [_line(bucket, None, described) for bucket, described in self.buckets.items()]
        for bucket, objects in self.objects.items():
            lines += [_line(bucket, name, described) for name, described in objects.items()]
        with replacing(self._journal) as written:
            written.write_text("".join(lines), encoding="utf-8")

    def _write_config_to_file(self) -> None:
        """Nothing: the journal has it."""

    def create_bucket(self, bucket_name: str, bucket_obj: Any) -> Any:
        created = super().create_bucket(bucket_name, bucket_obj)
        self._note(bucket_name, None, bucket_obj)
        return created

    def create_file(
        self,
        bucket_name: str,
        file_name: str,
        content: bytes,
        file_obj: Any,
        file_id: str | None = None,
    ) -> None:
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        self._note(bucket_name, file_name, file_obj)

    def get_resumable_byte_count(self, file_id: str) -> int:
        parts = self._parts(file_id)
        return parts.stat().st_size if parts.exists() else 0

    def add_to_resumable_upload(
        self,
        file_id: str,
        content: bytes | None,
        total_size: int | None = None,
        expected_start: int | None = None,
    ) -> bytes | None:
        """Append a part; return the whole once it is complete, else None.

        Raises:
            BadRequest: the part does not begin where the last one ended.
        """
        received = self.get_resumable_byte_count(file_id)
        if expected_start not in (None, received):
            raise exceptions.BadRequest(f"expected bytes from {received}, not {expected_start}")
        parts = self._parts(file_id)
        parts.parent.mkdir(parents=True, exist_ok=True)
        with parts.open("ab") as file:
            file.write(content or b"")
        if total_size is None or parts.stat().st_size < total_size:
            return None
        return parts.read_bytes()[:total_size]

    def _parts(self, file_id: str) -> Path:
        return self._folder / storage.STORAGE_DIR / storage.RESUMABLE_DIR / self.safe_id(file_id)

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        super().delete_file(bucket_name, file_name)
        self._note(bucket_name, file_name, None)

    def _note(self, bucket: str, name: str | None, described: Any) -> None:
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(_line(bucket, name, described))


def _line(bucket: str, name: str | None, described: Any) -> str:
    return json.dumps([bucket, name, described]) + "\n"


def _lines(journal: Path) -> Iterator[tuple[str, str | None, Any]]:
    if not journal.exists():
        return
    for line in journal.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):  # else killed while writing it: the object was not acknowledged
            bucket, name, described = json.loads(line)
            yield bucket, name, described


class _Handler(server.RequestHandler):
    timeout = _IDLE


class Emulator(HTTPServer):
    """A server on the loopback interface, bound but not yet serving.

    Args:
        folder: where buckets are kept; made if missing, continued if not.
        port: 0 takes any free one; see ``address``.

    Raises:
        OSError: the port is in use.
    """

    request_queue_size = 128  # DVC opens tens of connections at once

    def __init__(self, folder: Path, bucket: str, port: int):
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # The port comes first: where it is in use, so is the folder, perhaps.
        super().__init__((HOST, port), _Handler)
        self.storage = Storage(folder)
        self.RequestHandlerClass = partial(_Handler, self.storage)
        create_bucket(bucket, self.storage)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that was stopped is no news here.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _whole_body(handler: Any) -> bytes | None:
    body = _read_body(handler)
    promised = handler.headers.get("Content-Length")
    if promised and len(body) < int(promised):
        raise ConnectionError("the client ended in the middle of its upload")
    return body


def _read_data(handler: Any, query: Any) -> Any:
    content_type = handler.headers.get("Content-Type") or ""
    if not content_type.startswith("multipart/related"):
        return _read_other_data(handler, query)
    body = server._decode_raw_data(_whole_body(handler), handler)
    return _described_upload(content_type, body)


def _described_upload(content_type: str, body: bytes) -> dict[str, Any]:
    """Take a multipart/related upload apart: a description in JSON, then the object's bytes."""
    message = Message()
    message["Content-Type"] = content_type
    delimiter = b"--" + str(message.get_param("boundary")).encode()
    start = body.index(delimiter) + len(delimiter)
    newline = b"\r\n" if body.startswith(b"\r\n", start) else b"\n"
    middle = body.index(newline + delimiter, start)
    end = body.rindex(newline + delimiter + b"--")
    _, description = _part(body[start:middle], newline)
    header, content = _part(body[middle + len(newline + delimiter) : end], newline)
    types = [
        line.split(b":", 1)[1].strip().decode()
        for line in header.splitlines()
        if line.lower().startswith(b"content-type:")
    ]
    return {
        "meta": json.loads(description),
        "content": content,
        "content-type": types[0] if types else "application/octet-stream",
    }


def _part(text: bytes, newline: bytes) -> tuple[bytes, bytes]:
    header, _, content = text.partition(newline + newline)
    return header, content


# Requests find these two by their names in that module; there is no other place to enter.
server._read_raw_data, server._read_data = _whole_body, _read_data
