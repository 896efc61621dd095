"""A data set on Kaggle at a fixed version: ``kaggle://OWNER/NAME/versions/N``.

Kaggle serves all files of a version as one ZIP. Why not kagglehub: it unpacks the archive into
loose files, and a data set of thousands of small images is then slow to hash, to copy and to push
for DVC; kept as it is, it stays one object. Its download does not go on where a killed one ended,
either.

Credentials are optional for public data sets, and those of Kaggle's own programs: the token in
``KAGGLE_API_TOKEN`` or ``~/.kaggle/access_token``; or ``KAGGLE_USERNAME`` and ``KAGGLE_KEY``, or
``kaggle.json`` in ``KAGGLE_CONFIG_DIR`` or ``~/.kaggle``. The first of these counts. They go to
Kaggle alone: the archive comes from a signed address on another host, which each attempt asks for
anew. ``KAGGLE_API_ENDPOINT`` names another server than https://www.kaggle.com.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from requests.auth import AuthBase, HTTPBasicAuth

from verdict.core.errors import VerdictError
from verdict.sources.addresses import redacted
from verdict.sources.http import Bearer, Wording, open_url
from verdict.sources.stream import Stream

_SITE = "https://www.kaggle.com"
_ADDRESS = re.compile(r"kaggle://([\w-]+)/([\w-]+)(?:/versions/([1-9]\d*))?", re.ASCII)


def open_kaggle(
    address: str, offset: int, known: Mapping[str, str]
) -> AbstractContextManager[Stream]:
    """Open the archive of a data set.

    Raises:
        VerdictError: the address names no version, or the credentials cannot be read.
    """
    shown = redacted(address)
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise VerdictError(
            f"{shown} is no address of a data set on Kaggle; expected "
            "kaggle://OWNER/NAME/versions/N."
        )
    owner, name, version = parts.groups()
    page = f"{_SITE}/datasets/{owner}/{name}"
    if version is None:
        raise VerdictError(
            f"{shown} needs a version: without one the newest is served, and the result could not "
            f"be repeated. {page} shows it (Data Explorer, “Version N”); write "
            f"kaggle://{owner}/{name}/versions/N."
        )
    auth, where = _credentials()
    found = (
        f"The credentials in {where} may have expired, or belong to another account"
        if auth
        else "There are no credentials"
    )
    wording = Wording(
        shown=shown,
        no_access=f"{found}. Log in at {page}, accept the data set's rules if it has any, and set "
        f"KAGGLE_API_TOKEN to a token of that account ({_SITE}/settings/api). Kaggle refuses "
        "likewise what does not exist: check the name. Or download the archive in a browser and "
        "give its local path as the address.",
        not_there=f"Check the names and the version at {page}.",
    )
    endpoint = os.environ.get("KAGGLE_API_ENDPOINT") or _SITE
    url = (
        f"{endpoint.rstrip('/')}/api/v1/datasets/download/{owner}/{name}"
        f"?datasetVersionNumber={version}"
    )
    return open_url(url, offset, known, wording, auth)


def _credentials() -> tuple[AuthBase | None, str]:
    """Return the first credentials there are, and where they stand."""
    if token := os.environ.get("KAGGLE_API_TOKEN"):
        return Bearer(token, "KAGGLE_API_TOKEN"), "KAGGLE_API_TOKEN"
    home = Path("~/.kaggle").expanduser()
    if token := _read(home / "access_token"):
        return Bearer(token, str(home / "access_token")), str(home / "access_token")
    username, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    if username and key:
        return _basic(username, key), "KAGGLE_USERNAME and KAGGLE_KEY"
    path = Path(os.environ.get("KAGGLE_CONFIG_DIR") or home) / "kaggle.json"
    if not (text := _read(path)):
        return None, ""
    try:
        entries = json.loads(text)
        return _basic(entries["username"], entries["key"]), str(path)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VerdictError(
            f"{path} does not hold a username and a key. Make it again at {_SITE}/settings/api, "
            "or set KAGGLE_API_TOKEN instead."
        ) from None


def _basic(username: str, key: str) -> AuthBase:
    return HTTPBasicAuth(username.strip().encode(), key.strip().encode())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise VerdictError(
            f"{path} cannot be read ({type(error).__name__}). Change its permissions, or set "
            "KAGGLE_API_TOKEN instead."
        ) from None
