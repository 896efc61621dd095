"""Addresses of raw files: their scheme, and how to show them without their secrets."""

import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(address: str) -> str:
    """Return the scheme in lower case (``https``, ``gs``, …); ``file`` for a plain path."""
    found = _SCHEME.match(address)
    return found.group(1).lower() if found else "file"


def redacted(address: str) -> str:
    """Return the address as it may be shown: no ``user:password@``, no query, no fragment.

    Signed addresses carry their secret in the query. Local paths are returned as they are.
    """
    if scheme_of(address) == "file":
        return address
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:  # such as an unclosed bracket in the host
        return f"{scheme_of(address)}://…"
    return f"{parts.scheme}://{host}{parts.path}{'?…' if parts.query else ''}"
