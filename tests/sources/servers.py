"""Loopback servers for the tests: files with faults on request; stand-ins of hub and index."""

import hashlib
import io
import json
import threading
import zipfile
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


@dataclass
class Hub:
    """One repository behind the part of the hub's interface that a download asks for.

    files: content by name. refused: (status, X-Error-Code) for every file, or for the listing.
    """

    files: dict[str, bytes]
    kind: str = "model"
    name: str = "organization/model"
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    listing_refused: tuple[int, str] | None = None
    files_refused: tuple[int, str] | None = None
    broken: dict[str, int] = field(default_factory=dict)  # cut the name's first GET so far in
    wait_at: int | None = None  # of the first file sent, send so many bytes, then wait
    go_on: threading.Event = field(default_factory=threading.Event)
    listed_checksum: dict[str, str] = field(default_factory=dict)  # another than the true one
    served: list[tuple[str, str, int]] = field(default_factory=list)  # method, file, bytes
    tokens: set[str | None] = field(default_factory=set)
    storage: str | None = None  # where files are redirected to
    address: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        path = unquote(url.path)
        self.tokens.add(handler.headers["Authorization"])
        folder = "" if self.kind == "model" else f"{self.kind}s/"
        resolve = f"/{folder}{self.name}/resolve/{self.commit}/"
        if path.startswith(f"/api/{self.kind}s/"):
            self._respond_api(handler, path, "recursive=true" in url.query.lower())
        elif path.startswith(resolve) and path.removeprefix(resolve) in self.files:
            self._respond_file(handler, path.removeprefix(resolve))
        else:
            self._refuse(handler, 404, "EntryNotFound")

    def _respond_api(self, handler: BaseHTTPRequestHandler, path: str, recursive: bool) -> None:
        api = f"/api/{self.kind}s/{self.name}"
        tree = f"{api}/tree/{self.commit}"
        if self.listing_refused:
            self._refuse(handler, *self.listing_refused)
        elif not path.startswith(api):
            self._refuse(handler, 404, "RepoNotFound")
        elif path in (f"{api}/revision/{self.commit}", f"{api}/revision/main"):
            siblings = [{"rfilename": name, **self._listed(name)} for name in self.files]
            self._json(handler, {"id": self.name, "sha": self.commit, "siblings": siblings})
        elif path == tree or path.startswith(f"{tree}/"):
            self._respond_tree(handler, path.removeprefix(tree).strip("/"), recursive)
        else:
            self._refuse(handler, 404, "RevisionNotFound")

    def _respond_tree(self, handler: BaseHTTPRequestHandler, folder: str, recursive: bool) -> None:
        start = f"{folder}/" if folder else ""
        inside = [name for name in self.files if name.startswith(start)]
        if folder and not inside:
            self._refuse(handler, 404, "EntryNotFound")
            return
        entries: dict[str, dict[str, object]] = {}
        for name in inside:
            *above, _ = name.removeprefix(start).split("/")
            for i in range(1, len(above) + 1) if recursive else [1] * bool(above):
                path = start + "/".join(above[:i])
                entries[path] = {"type": "directory", "path": path, "oid": "0" * 40}
            if recursive or not above:
                entries[name] = {"type": "file", "path": name, **self._listed(name)}
        self._json(handler, list(entries.values()))

    def _listed(self, name: str) -> dict[str, object]:
        content = self.files[name]
        if not name.endswith((".safetensors", ".parquet")):
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            oid = self.listed_checksum.get(name, git)
            return {"size": len(content), "oid": oid, "blobId": oid}
        sha256 = self.listed_checksum.get(name, hashlib.sha256(content).hexdigest())
        lfs = {"size": len(content), "oid": sha256, "sha256": sha256, "pointerSize": 130}
        return {"size": len(content), "oid": "0" * 40, "blobId": "0" * 40, "lfs": lfs}

    def _respond_file(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        if self.files_refused:
            self._refuse(handler, *self.files_refused)
            return
        if self.storage:
            handler.send_response(302)
            handler.send_header("Location", self.storage + handler.path)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        content = self.files[name]
        begin = int((handler.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        body = content[begin:]
        if begin == len(content) and begin:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
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
        with suppress(OSError):  # the client was killed
            if self.wait_at is not None and handler.command == "GET":
                first, body = body[: self.wait_at], body[self.wait_at :]
                self.wait_at = None
                handler.wfile.write(first)
                self.go_on.wait(30)
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


@dataclass
class Index:
    """A package index, in HTML (PEP 503); ``wheels``: their bytes by file name.

    hashes: by file name, where another than the true one, or none (``""``), is to be listed.
    """

    wheels: dict[str, bytes]
    hashes: dict[str, str] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    address: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        self.served.append(path)
        listed = [
            name
            for name in self.wheels
            if path == f"/simple/{name.partition('-')[0].replace('_', '-')}/"
        ]
        if path.startswith("/files/"):
            self._send(handler, "application/zip", self.wheels[path.removeprefix("/files/")])
        elif listed:
            page = "".join(
                f'<a href="/files/{name}{self._hash(name)}">{name}</a>' for name in listed
            )
            self._send(handler, "text/html", f"<!DOCTYPE html><html><body>{page}".encode())
        else:
            handler.send_response(404)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    def _hash(self, name: str) -> str:
        found = self.hashes.get(name, hashlib.sha256(self.wheels[name]).hexdigest())
        return f"#sha256={found}" if found else ""

    def _send(self, handler: BaseHTTPRequestHandler, kind: str, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def wheel(name: str, version: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Return a wheel's file name and bytes; ``name`` as in the file name, with underscores."""
    about = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*content, f"{about}/RECORD"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in {**content, f"{about}/RECORD": record.encode()}.items():
            archive.writestr(file, data)
    return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()


Server = TypeVar("Server", FileServer, Hub, Index, Kaggle)


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
