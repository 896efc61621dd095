"""A stand-in of a package index, and wheels to put there."""

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit


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
