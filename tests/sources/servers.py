"""Loopback servers for the tests: files with faults on request, and a small stand-in of the hub."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import unquote, urlsplit


@dataclass
class Request:
    """What came in, and how many body bytes went out for it."""

    path: str
    range: str | None
    if_range: str | None
    encoding: str | None
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
        asked = [handler.headers[name] for name in ("Range", "If-Range", "Accept-Encoding")]
        request = Request(handler.path, *asked)
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
class Hub:
    """One model repository behind the part of the hub's interface that a download asks for.

    files: content by name. refused: (status, X-Error-Code) for every file, or for the model.
    """

    files: dict[str, bytes]
    name: str = "organization/model"
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    model_refused: tuple[int, str] | None = None
    files_refused: tuple[int, str] | None = None
    broken: dict[str, int] = field(default_factory=dict)  # cut the name's first GET so far in
    listed_sha256: dict[str, str] = field(default_factory=dict)  # another than the true one
    served: list[tuple[str, str, int]] = field(default_factory=list)  # method, file, bytes
    address: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(handler.path).path)
        api = f"/api/models/{self.name}"
        resolve = f"/{self.name}/resolve/{self.commit}/"
        if path.startswith("/api/models/"):
            self._respond_api(handler, path, api)
        elif path.startswith(resolve) and path.removeprefix(resolve) in self.files:
            self._respond_file(handler, path.removeprefix(resolve))
        else:
            self._refuse(handler, 404, "EntryNotFound")

    def _respond_api(self, handler: BaseHTTPRequestHandler, path: str, api: str) -> None:
        if self.model_refused:
            self._refuse(handler, *self.model_refused)
        elif not path.startswith(api):
            self._refuse(handler, 404, "RepoNotFound")
        elif path in (f"{api}/revision/{self.commit}", f"{api}/revision/main"):
            siblings = [{"rfilename": name, **self._listed(name)} for name in self.files]
            self._json(handler, {"id": self.name, "sha": self.commit, "siblings": siblings})
        elif path == f"{api}/tree/{self.commit}":
            tree = [
                {"type": "file", "path": name, "oid": "0" * 40, **self._listed(name)}
                for name in self.files
            ]
            self._json(handler, tree)
        else:
            self._refuse(handler, 404, "RevisionNotFound")

    def _listed(self, name: str) -> dict[str, object]:
        content = self.files[name]
        listed: dict[str, object] = {"size": len(content)}
        if name.endswith(".safetensors"):
            sha256 = self.listed_sha256.get(name, hashlib.sha256(content).hexdigest())
            listed["lfs"] = {
                "size": len(content),
                "oid": sha256,
                "sha256": sha256,
                "pointerSize": 130,
            }
        return listed

    def _respond_file(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        if self.files_refused:
            self._refuse(handler, *self.files_refused)
            return
        content = self.files[name]
        begin = int((handler.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        body = content[begin:]
        handler.send_response(206 if begin else 200)
        handler.send_header("X-Repo-Commit", self.commit)
        handler.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        handler.send_header("Content-Length", str(len(body)))
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        if handler.command == "HEAD":
            body = b""
        elif name in self.broken:
            body = body[: self.broken.pop(name)]
        self.served.append((handler.command, name, len(body)))
        handler.wfile.write(body)

    def _refuse(self, handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
        handler.send_response(status)
        handler.send_header("X-Error-Code", code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _json(self, handler: BaseHTTPRequestHandler, value: object) -> None:
        body = json.dumps(value).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


Server = TypeVar("Server", FileServer, Hub)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run the server on a free port of the loopback; its ``address`` is then set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.respond(self)

        do_HEAD = do_GET

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
