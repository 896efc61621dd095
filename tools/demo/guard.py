"""What stands before the page: whom it answers, and how much it takes."""

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: Bytes of all uploads together while the page is open; they are kept until it ends.
LARGEST_TOTAL = 4 * 2**30


def guards(host: str) -> list[Middleware]:
    """Return what every request passes, for a page at ``host``.

    A page for this machine alone answers under this machine's names only: otherwise any web page
    could have its own name point here, and read what the browser gets (DNS rebinding).
    """
    names = ["127.0.0.1", "localhost"] if _is_loopback(host) else ["*"]
    return [Middleware(TrustedHostMiddleware, allowed_hosts=names), Middleware(UploadLimit)]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).version == 4 and ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class UploadLimit:
    """Takes uploads until they are so many bytes, by the length that each states."""

    def __init__(self, app: ASGIApp, limit: int = LARGEST_TOTAL):
        self._app, self._left = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith("/upload"):
            stated = Headers(scope=scope).get("content-length", "")
            # A body without a length could have any.
            if scope["method"] == "POST" and not (stated.isascii() and stated.isdigit()):
                await PlainTextResponse("State the length.", 411)(scope, receive, send)
                return
            length = int(stated[:18] or 0)
            if length > self._left:
                said = "No more uploads are taken: start the page anew."
                await PlainTextResponse(said, 413)(scope, receive, send)
                return
            self._left -= length
        await self._app(scope, receive, send)
