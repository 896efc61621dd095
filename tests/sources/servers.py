"""Loopback servers for the tests: files with faults on request, and Kaggle's addresses."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, TypeVar


@dataclass
class Request:
    """What came in, and how many body bytes went out for it."""

    path: str
    range: str | None
    if_range: str | None
    encoding: str | None
    authorization: str | None
    status: int = 0
    sent: int = 0


@dataclass
class FileServer:
    """Serves ``content`` at every path; the switches say what goes wrong.

    statuses: answered to the first requests, in turn, instead of the content.
    break_after: body lengths after which the connection of the first requests is cut.
    """

    content: bytes
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    content_length: bool = True
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    wait_at: int | None = None  # send so many bytes, then wait for `go_on`
    go_on: threading.Event = field(default_factory=threading.Event)
    requests: list[Request] = field(default_factory=list)
    address: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        names = ("Range", "If-Range", "Accept-Encoding", "Authorization")
        request = Request(handler.path, *(handler.headers[name] for name in names))
        self.requests.append(request)
        if self.statuses:
            request.status = self.statuses.pop(0)
            handler.send_response(request.status)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = self._start(request)
        if start > len(self.content) or (start == len(self.content) and request.range):
            request.status = 416
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            if self.etag:
                handler.send_header("ETag", self.etag)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.content[start:]
        request.status = 206 if start else 200
        handler.send_response(request.status)
        if start:
            end, total = len(self.content) - 1, len(self.content)
            handler.send_header("Content-Range", f"bytes {start}-{end}/{total}")
        for name, value in (("ETag", self.etag), ("Last-Modified", self.last_modified)):
            if value:
                handler.send_header(name, value)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.content_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.break_after:
            body = body[: self.break_after.pop(0)]
        if self.wait_at is not None:
            first, body = body[: self.wait_at], body[self.wait_at :]
            self.wait_at = None
            self._send(handler, request, first)
            self.go_on.wait(30)
        self._send(handler, request, body)

    def _start(self, request: Request) -> int:
        if not request.range or not self.ranges:
            return 0
        if request.if_range and request.if_range not in (self.etag, self.last_modified):
            return 0
        return int(request.range.removeprefix("bytes=").removesuffix("-"))

    def _send(self, handler: BaseHTTPRequestHandler, request: Request, data: bytes) -> None:
        request.sent += len(data)  # before: the client may be done when `write` returns
        with suppress(OSError):  # the client was killed
            handler.wfile.write(data)
            handler.wfile.flush()


@dataclass
class Kaggle:
    """Sends every request on to ``storage`` at a new signed address, as Kaggle does."""

    storage: str
    refused: int | None = None
    requests: list[Request] = field(default_factory=list)
    address: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        authorization = handler.headers["Authorization"]
        self.requests.append(Request(handler.path, None, None, None, authorization))
        handler.send_response(self.refused or 302)
        if not self.refused:
            signature = f"X-Goog-Signature=signed-{len(self.requests)}"
            handler.send_header("Location", f"{self.storage}/bundle/archive.zip?{signature}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


class Responding(Protocol):
    """What ``serving`` serves; its ``address`` is set there."""

    address: str

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""


Server = TypeVar("Server", bound=Responding)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run the server on a free port of the loopback; its ``address`` is then set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.respond(self)

        do_HEAD = do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
