"""Addresses of raw files: their scheme, the file's name, and how to show them without secrets."""

import os
import re
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import url2pathname

from verdict.core.errors import VerdictError

#: Bytes of a file's name on every file system in use.
_LONGEST_NAME = 255
#: Names of parameters that let whoever knows the address in (AWS, Google, Azure, and others).
_SECRET = re.compile(r"(?i)(sig|signature|token|secret|password|passwd|credential|api_?key)$|^key$")
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
    query = "?…" if parts.query else ""
    if parts.scheme == "hf" and query:  # a "?" there is part of a pattern
        query = f"?{parts.query}"
    return f"{parts.scheme}://{host}{parts.path}{query}"


def refuse_secrets(address: str) -> None:
    """Refuse an address with a secret in it: DVC writes what params.yaml holds into dvc.lock.

    Raises:
        VerdictError: it has a password, or a parameter that signs it or holds a token.
    """
    if scheme_of(address) in ("file", "hf"):
        return
    try:
        parts = urlsplit(address)
        secret = parts.password is not None or any(
            _SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:  # no address at all, which whoever opens it says
        return
    if secret:
        raise VerdictError(
            f"params.yaml: {redacted(address)} holds a password, a signature or a token, and DVC "
            "would write it into dvc.lock and its run cache. Give a password by a line for the "
            "host in ~/.netrc (or in the file that NETRC names); instead of a signed address write "
            "gs:// or s3://, with credentials in the environment "
            "(GOOGLE_APPLICATION_CREDENTIALS, AWS_PROFILE), or download the file and give its "
            "local path."
        )


def own_name(address: str) -> str:
    """Return the name that a file is published under; empty where the address shows none.

    Nor has an address a name that no file here can have: ``..``, or one of too many characters.
    """
    name = _last_part(address)
    return name if can_be_a_name(name) else ""


def can_be_a_name(name: str) -> bool:
    """Say whether a file in a folder can have this name."""
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return name not in ("", ".", "..") and not {"\0", "/"} & set(name) and size <= _LONGEST_NAME


def _last_part(address: str) -> str:
    scheme = scheme_of(address)
    if scheme == "file":
        return local_path(address).name
    if scheme == "hf":
        return address.rpartition("/")[2]
    try:
        path = urlsplit(address).path
    except ValueError:  # such as an unclosed bracket in the host
        return ""
    if scheme == "kaggle":  # kaggle://OWNER/NAME/versions/N is an archive of all its files
        return path.strip("/").partition("/")[0] + ".zip"
    # The last part alone, whatever an encoded "/" or ".." tries.
    return PurePosixPath(unquote(path) if scheme in ("http", "https") else path).name


def local_path(address: str) -> Path:
    """Return the path that a local address means: a path, ``~`` included, or ``file://``."""
    is_uri = address.lower().startswith("file://")
    try:
        return Path(url2pathname(urlsplit(address).path) if is_uri else os.path.expanduser(address))
    except ValueError:  # such as a NUL in a user's name
        return Path(address)
