"""Files on HTTP servers, resumed by Range (RFC 9110, section 14)."""

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3

from verdict.errors import VerdictError
from verdict.sources.addresses import redacted
from verdict.sources.stream import LENGTH, Stream, Transient, differs

CONNECT_TIMEOUT = 20.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
CHUNK = 2**20  # bytes

_RETRIED = {408, 429}  # and every 5xx
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@contextmanager
def open_http(address: str, offset: int, known: Mapping[str, str]) -> Iterator[Stream]:
    """Open a file on an HTTP server. A password is taken from the address or from ``~/.netrc``."""
    # Compression in transit would make lengths and positions those of another file.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if condition := _if_range(known):
            headers["If-Range"] = condition
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    # The library's own messages hold the address with its query, hence `from None`.
    try:
        response = requests.get(address, headers=headers, stream=True, timeout=timeout)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Transient(_reason(error)) from None
    except requests.RequestException as error:
        raise VerdictError(
            f"Could not ask for {redacted(address)}: {type(error).__name__}. "
            "Correct the address and run again."
        ) from None
    with response:
        yield _stream(response, address, offset, known)


def _stream(
    response: requests.Response, address: str, offset: int, known: Mapping[str, str]
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
        _refuse_web_page(response, address)
        if headers.get("Content-Length", "").isdigit():
            version[LENGTH] = headers["Content-Length"]
        return Stream(0, version, _chunks(response))
    raise _failure(status, headers, address)


def _failure(status: int, headers: Mapping[str, str], address: str) -> Exception:
    shown = redacted(address)
    if status in _RETRIED or status >= 500:
        return Transient(
            f"the server answered HTTP {status}",
            retry_after=_retry_after(headers.get("Retry-After", "")),
        )
    if status in (401, 403):
        return VerdictError(
            f"{shown} refused access (HTTP {status}). Accept the data set's licence where it is "
            "published, and give credentials: a line for this host in ~/.netrc, or a signed "
            "address that has not expired. Or download the file in a browser and give its local "
            "path as the address."
        )
    if status in (404, 410):
        return VerdictError(
            f"{shown} does not exist (HTTP {status}). Correct the address, or look where the data "
            "set is published now."
        )
    return VerdictError(
        f"{shown} answered HTTP {status}, where 200 or 206 was expected. Open the address in a "
        "browser to see what it serves, and correct it."
    )


def _refuse_web_page(response: requests.Response, address: str) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    suffix = PurePosixPath(urlsplit(address).path).suffix.lower()
    if kind == "text/html" and suffix not in (".html", ".htm"):
        raise VerdictError(
            f"{redacted(address)} answered with a web page instead of the file; most often it asks "
            "to log in or to accept a licence. Do that in a browser, download the file there and "
            "give its local path as the address."
        )


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        # Undecoded: servers label a published .tar.gz as compressed in transit, too.
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(_reason(error)) from None


def _if_range(known: Mapping[str, str]) -> str | None:
    etag = known.get("etag", "W/")
    return known.get("modified") if etag.startswith("W/") else etag


def _retry_after(value: str) -> float:
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
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
