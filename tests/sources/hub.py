"""A stand-in of the hub: one repository, and what a download asks of it."""

import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit


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
