"""A stand-in for Google: buckets in the JSON API, and the endpoint that gives tokens."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "canary-access-token"
LISTED = {"storage.objects.get", "storage.objects.list"}


class Google(ThreadingHTTPServer):
    """Buckets by their names: public, private, readonly, forbidden; no others."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.revoked = False
        self.asked: list[tuple[str, bool]] = []  # bucket, and whether with the token


class _Answer(BaseHTTPRequestHandler):
    server: Google

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.revoked:
            self._send(400, {"error": "invalid_grant", "error_description": "Token is revoked."})
        else:
            self._send(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        _, _, _, _, bucket, what = address.path.split("/", 5)
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.server.asked.append((bucket, known))
        if bucket not in ("public", "private", "readonly", "forbidden"):
            self._refuse(404, "The specified bucket does not exist.")
        elif bucket != "public" and not known:
            self._refuse(401, "Anonymous caller does not have storage.objects.list access.")
        elif bucket == "forbidden":
            self._refuse(403, "me@x does not have storage.objects.list access.")
        elif what == "o":
            self._send(200, {"kind": "storage#objects"})
        else:
            asked = set(parse_qs(address.query)["permissions"])
            self._send(
                200, {"permissions": sorted(asked & LISTED if bucket == "readonly" else asked)}
            )

    def _refuse(self, code: int, message: str) -> None:
        self._send(code, {"error": {"code": code, "message": message}})

    def _send(self, code: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
