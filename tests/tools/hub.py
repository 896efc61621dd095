"""A stand-in of the hub's HTTP interface that can be written to, on the loopback.

It speaks what huggingface_hub asks for when it makes a repository and commits: create, validate,
preupload, LFS batch with a single upload an object, and commit; not Xet, and not uploads in parts.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.sources.hub import Hub

TOKEN = "hf_written_by_the_test"


@dataclass
class WritableHub(Hub):
    """One owner's hub; ``refused`` is (status, message) by the start of a path."""

    token: str = TOKEN
    exists: bool = False
    private: bool = False
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)  # as a .gitignore in the repository has it
    stored: dict[str, bytes] = field(default_factory=dict)  # LFS objects by SHA-256
    commits: list[str] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)  # every body
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        body = _body(handler)
        self.received.append(body)
        path = urlsplit(handler.path).path
        self.asked.append((handler.command, path))
        for start, (status, message) in self.refused.items():
            if path.startswith(start):
                self._json(handler, {"error": message}, status)
                return
        stored = path.startswith("/lfs/")  # a signed address: the storage sees no token
        if not stored and handler.headers["Authorization"] != f"Bearer {self.token}":
            self._json(handler, {"error": "Invalid username or password."}, 401)
        elif handler.command == "POST":
            self._post(handler, path, body)
        elif handler.command == "PUT":
            digest = hashlib.sha256(body).hexdigest()
            assert path == f"/lfs/{digest}"
            self.stored[digest] = body
            self._json(handler, {})
        elif path == f"/api/models/{self.name}" and not self.exists:
            self._refuse(handler, 404, "RepoNotFound")
        elif path == f"/api/models/{self.name}":
            siblings = [{"rfilename": name} for name in self.files]
            about = {"id": self.name, "sha": self.commit, "private": self.private}
            self._json(handler, {**about, "siblings": siblings})
        else:
            super().respond(handler)

    def _post(self, handler: BaseHTTPRequestHandler, path: str, body: bytes) -> None:
        api = f"/api/models/{self.name}"
        if path == "/api/repos/create":
            asked = json.loads(body)
            assert f"{asked['organization']}/{asked['name']}" == self.name
            known, url = self.exists, f"{self.address}/{self.name}"
            if not known:
                self.exists, self.private = True, asked.get("visibility") == "private"
            answer = {"error": "You already created this model repo"} if known else {}
            self._json(handler, {**answer, "url": url}, 409 if known else 200)
        elif path == "/api/validate-yaml":
            self._json(handler, {"errors": [], "warnings": []})
        elif path == f"{api}/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            self._json(handler, {"files": [self._mode(name) for name in names]})
        elif path == f"/{self.name}.git/info/lfs/objects/batch":
            objects = [self._action(one) for one in json.loads(body)["objects"]]
            self._json(handler, {"transfer": "basic", "objects": objects})
        elif path == "/verify":
            self._json(handler, {}, 200 if json.loads(body)["oid"] in self.stored else 404)
        else:
            assert path == f"{api}/commit/main"
            self._commit([json.loads(line) for line in body.splitlines()])
            url = f"{self.address}/{self.name}/commit/{self.commit}"
            self._json(handler, {"commitUrl": url, "commitOid": self.commit})

    def _mode(self, name: str) -> dict[str, Any]:
        mode = "lfs" if name.endswith(".safetensors") else "regular"
        return {"path": name, "uploadMode": mode, "shouldIgnore": name in self.ignored}

    def _action(self, asked: dict[str, Any]) -> dict[str, Any]:
        upload = {"href": f"{self.address}/lfs/{asked['oid']}"}
        return {
            **asked,
            "actions": {"upload": upload, "verify": {"href": f"{self.address}/verify"}},
        }

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.stored[value["oid"]]
                assert len(content) == value["size"]
                self.files[value["path"]] = content
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
            else:
                assert line["key"] == "header"
                self.commits.append(value["summary"])
        self.commit = hashlib.sha1(repr(self.commits).encode()).hexdigest()

    def _json(self, handler: BaseHTTPRequestHandler, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers["Transfer-Encoding"] != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"] or 0))
    parts = []
    while size := int(handler.rfile.readline(), 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)
