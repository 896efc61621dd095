"""Entry points of the fuzzer that read what servers answer; no connection leaves this machine."""

import os
import shutil
import socket
import threading
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import httpx2
import huggingface_hub

from benchmarks.parts.fuzz_draws import NASTY, as_json, damaged
from benchmarks.parts.fuzz_files import Attempt
from verdict.sources import download, hub
from verdict.sources.hub_data import list_hub_files

_COMMIT = "0" * 40
_STATUS = (
    "200 OK", "200 OK", "206 Partial Content", "302 Found", "301 x", "416 x", "404 x", "429 x",
    "503 x", "999 x", "",
)  # fmt: skip
_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
_HEADERS = (
    ("Content-Length", ("5", "0", "12", "-1", "٣", "5, 5", "9" * 30, "", "0x5", "1e3")),
    (
        "Content-Range",
        ("bytes 5-9/10", "bytes 0-4/5", "bytes */5", "bytes 5-4/", "bytes ٥-٩/١", "x"),
    ),
    ("Content-Type", ("text/html", "application/zip", "", "text/html; charset=é")),
    ("Content-Encoding", ("gzip", "identity", "br, gzip")),
    ("Transfer-Encoding", ("chunked", "gzip, chunked", "x")),
    ("ETag", ('"a"', 'W/"a"', "a", "")),
    ("Last-Modified", (_DATE, "yesterday", _DATE.replace("06", "99"))),
    ("Retry-After", ("1", "9" * 400, "-1", _DATE, _DATE.replace("1994", "99999"))),
    (
        "Location",
        ("/b", "//b/c", "http://[/", "http://a:99999/", "https://b/", "file:///etc/passwd"),
    ),
    ("Location", ("http://é/", "http://" + "a" * 300, "x:y", "", "http://a\\b@c/%zz")),
    ("Set-Cookie", (f"a=b; Expires={_DATE.replace('06', '99')}", "=;=;")),
    ("X", ("a" * 70_000, "\0", "a\r b")),
)
_BODIES = (
    b"bytes",
    b"more bytes",
    b"",
    b"5\r\nbytes\r\n0\r\n\r\n",
    b"f" * 30 + b"\r\nx",
    b"-1\r\nx",
)


def http(folder: Path) -> Attempt:
    """What an HTTP server says: status, headers and body of a file that is downloaded.

    Wherever it redirects to, the same server answers.
    """
    server = _Server()
    # Not even the names of other hosts are asked for.
    socket.getaddrinfo = server.address_of
    download.ATTEMPTS = 1

    def attempt(rng: Random) -> None:
        server.answer = _answer(rng)
        if rng.random() < 0.3:  # otherwise what was received before is gone on with
            shutil.rmtree(folder, ignore_errors=True)
        download.receive("http://a.invalid/b.zip", sha256=None, partial_folder=folder)

    return attempt


def _answer(rng: Random) -> bytes:
    lines = [f"HTTP/1.1 {rng.choice(_STATUS)}"]
    for name, values in rng.sample(_HEADERS, rng.randrange(6)):
        lines.append(f"{name}: {rng.choice(values)}")
    if rng.random() < 0.1:
        lines.append(f"{rng.choice(_HEADERS)[0]}: {rng.choice(NASTY)}")
    head = "\r\n".join(lines).encode("utf-8", "surrogatepass")
    answer = head + b"\r\n\r\n" + rng.choice(_BODIES)
    return damaged(rng, answer) if rng.random() < 0.4 else answer


class _Server:
    """Sends the same bytes to whoever asks, and closes the connection."""

    def __init__(self) -> None:
        self.answer = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def address_of(self, *_: Any, **__: Any) -> list[Any]:
        """Stand in for ``socket.getaddrinfo``."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", self._socket.getsockname())]

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.settimeout(2)
            with connection:
                try:
                    connection.recv(65_536)
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65_536)
                except OSError:
                    pass  # the client has had enough


def hubs(folder: Path) -> Attempt:
    """What a hub or its mirror lists of a model and of a data set."""
    listed: dict[str, Any] = {"size": 7, "oid": "1" * 40, "blobId": "1" * 40}
    lfs = {"size": 7, "oid": "2" * 64, "sha256": "2" * 64, "pointerSize": 130}
    files = {"config.json": listed, "model.safetensors": {**listed, "lfs": lfs}}
    siblings = [{"rfilename": name, **entry} for name, entry in files.items()]
    about = {"id": "owner/name", "sha": _COMMIT, "siblings": siblings}
    tree = [{"type": "file", "path": name, **entry} for name, entry in files.items()]
    rest: list[bytes] = []

    def answered(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=rest.pop() if rest else b"[]", request=request)

    def arrived(*_: Any, local_dir: Path, **__: Any) -> None:
        local_dir.mkdir(parents=True, exist_ok=True)

    os.environ["HF_ENDPOINT"] = "http://hub.invalid"
    transport = httpx2.MockTransport(answered)
    huggingface_hub.set_client_factory(lambda: httpx2.Client(transport=transport))

    def attempt(rng: Random) -> None:
        sound = [as_json(rng, tree) if rng.random() < 0.7 else b"[]", as_json(rng, about)]
        if rng.random() < 0.5:
            sound[1] = _sound(about)
        rest[:] = sound
        if rng.random() < 0.5:
            list_hub_files(f"hf://datasets/owner/name@{_COMMIT}/*.safetensors")
        else:
            with patch.object(hub, "snapshot_download", arrived):
                hub.fetch_model("owner/name", _COMMIT, folder / "base")

    return attempt


def _sound(value: Any) -> bytes:
    return httpx2.Response(200, json=value).content
