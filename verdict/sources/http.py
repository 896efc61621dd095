"""Files on HTTP servers, resumed by Range (RFC 9110, section 14)."""

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from verdict.core.errors import VerdictError
from verdict.sources.addresses import redacted
from verdict.sources.stream import LENGTH, Stream, Transient, differs

CONNECT_TIMEOUT = 20.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
CHUNK = 2**20  # bytes

_RETRIED = {408, 429}  # and every 5xx
_TOKEN = re.compile(r"[!-~]+")  # ASCII that can be seen
#: Lengths and positions: ASCII digits, and no more of them than a file can have bytes.
_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(rf"bytes ({_NUMBER.pattern})-{_NUMBER.pattern}/({_NUMBER.pattern}|\*)")


class Bearer(AuthBase):
    """Sends a token.

    Args:
        token: the token; white space around it is dropped.
        where: where it stands, for the message.

    Raises:
        VerdictError: it holds characters that no token has.
    """

    def __init__(self, token: str, where: str):
        self._token = token.strip()
        if not _TOKEN.fullmatch(self._token):
            raise VerdictError(
                f"{where} holds characters that no token has, such as a space. Copy it again."
            )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Wording:
    """What a message says about one address.

    Attributes:
        shown: the address as it may be shown.
        no_access: what to do where access is refused.
        not_there: what to do where it does not exist.
    """

    shown: str
    no_access: str
    not_there: str


def open_http(
    address: str, offset: int, known: Mapping[str, str]
) -> AbstractContextManager[Stream]:
    """Open a file on an HTTP server. A password is taken from the address or from ``~/.netrc``."""
    wording = Wording(
        shown=redacted(address),
        no_access="Accept the data set's licence where it is published, and give credentials: a "
        "line for this host in ~/.netrc, or a signed address that has not expired. Or download the "
        "file in a browser and give its local path as the address.",
        not_there="Correct the address, or look where the data set is published now.",
    )
    return open_url(address, offset, known, wording)


@contextmanager
def open_url(
    url: str,
    offset: int,
    known: Mapping[str, str],
    wording: Wording,
    auth: AuthBase | None = None,
) -> Iterator[Stream]:
    """Open ``url`` at a position; redirects are followed, ``auth`` stays with the first host.

    Raises:
        Transient: another attempt may help.
        VerdictError: it cannot.
    """
    # Compression in transit would make lengths and positions those of another file.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if condition := _if_range(known):
            headers["If-Range"] = condition
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    # The library's own messages hold the address with its query, hence `from None`.
    try:
        response = requests.get(
            url,
            headers=headers,
            stream=True,
            timeout=timeout,
            auth=auth,
            hooks={"response": lambda answer, **_: _refuse_plain_http(answer, wording)},
        )
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Transient(_reason(error)) from None
    except VerdictError:
        raise
    # The libraries pass on whatever is raised for a redirect's address, its length, and its body,
    # which they read and decompress: ValueError, OverflowError, brotli.error.
    except Exception as error:
        raise VerdictError(
            f"Could not ask for {wording.shown}: {type(error).__name__}. "
            "Correct the address and run again."
        ) from None
    with response:
        yield _stream(response, url, offset, known, wording)


def _refuse_plain_http(response: requests.Response, wording: Wording) -> None:
    """Follow no redirect from https to where anybody on the way could change the file."""
    if not (response.is_redirect and response.url.lower().startswith("https:")):
        return
    if urlsplit(response.headers["location"].strip()).scheme not in ("https", ""):
        raise VerdictError(
            f"{wording.shown} redirects from https to an address without it, where the file could "
            "be changed on its way. Give an address that stays with https, or download the file "
            "yourself, check it, and give its local path."
        )


def _stream(
    response: requests.Response, url: str, offset: int, known: Mapping[str, str], wording: Wording
) -> Stream:
    status, headers = response.status_code, response.headers
    version = {
        key: headers[name]
        for key, name in (("etag", "ETag"), ("modified", "Last-Modified"))
        if name in headers
    }
    if status == 416 and offset:
        # Nothing lies behind what we have: either it is the whole file, or it is of another one.
        version[LENGTH] = headers.get("Content-Range", "").removeprefix("bytes */")
        if version[LENGTH] == str(offset) and not differs(known, version):
            return Stream(offset, version, iter(()))
        raise Transient("the file on the server has changed", discard=True)
    if status == 206 and offset:
        part = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if part is None or int(part[1]) != offset:
            raise Transient("the server sent another part than the one asked for", discard=True)
        if part[2] != "*":
            version[LENGTH] = part[2]
        if differs(known, version):
            raise Transient("the file on the server has changed", discard=True)
        return Stream(offset, version, _chunks(response))
    if status == 200:
        _refuse_web_page(response, url, wording)
        if _NUMBER.fullmatch(headers.get("Content-Length", "")):
            version[LENGTH] = headers["Content-Length"]
        return Stream(0, version, _chunks(response))
    raise _failure(status, headers, wording)


def _failure(status: int, headers: Mapping[str, str], wording: Wording) -> Exception:
    if status in _RETRIED or status >= 500:
        return Transient(
            f"the server answered HTTP {status}",
            retry_after=_retry_after(headers.get("Retry-After", "")),
        )
    if status in (401, 403):
        return VerdictError(f"{wording.shown} refused access (HTTP {status}). {wording.no_access}")
    if status in (404, 410):
        return VerdictError(f"{wording.shown} does not exist (HTTP {status}). {wording.not_there}")
    return VerdictError(
        f"{wording.shown} answered HTTP {status}, where 200 or 206 was expected. Open the address "
        "in a browser to see what it serves, and correct it."
    )


def _refuse_web_page(response: requests.Response, url: str, wording: Wording) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    if kind == "text/html" and suffix not in (".html", ".htm"):
        raise VerdictError(
            f"{wording.shown} answered with a web page instead of the file; most often it asks to "
            f"log in or to accept a licence. {wording.no_access}"
        )


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        # Undecoded: servers label a published .tar.gz as compressed in transit, too.
        yield from response.raw.stream(CHUNK, decode_content=False)
    # OverflowError: a chunk is said to be longer than any memory.
    except (urllib3.exceptions.HTTPError, OSError, OverflowError) as error:
        raise Transient(_reason(error)) from None


def _if_range(known: Mapping[str, str]) -> str | None:
    etag = known.get("etag", "W/")
    return known.get("modified") if etag.startswith("W/") else etag


def _retry_after(value: str) -> float:
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return 0.0


def _reason(error: BaseException) -> str:
    """Say what went wrong at the lowest level, where no message holds the address."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.Timeout | urllib3.exceptions.ReadTimeoutError):
        return f"no data for {READ_TIMEOUT:g} s"
    while cause := error.__cause__ or error.__context__:
        error = cause
    ours = requests.RequestException | urllib3.exceptions.HTTPError
    if isinstance(error, OSError) and not isinstance(error, ours):
        return error.strerror or type(error).__name__
    if isinstance(error, urllib3.exceptions.IncompleteRead):
        return "the connection ended early"
    return type(error).__name__
