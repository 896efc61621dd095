"""Write a URL list for Google's Storage Transfer Service, which copies web files to a bucket.

    python -m tools.transfer_list --recipe melanoma --out files.tsv
    python -m tools.transfer_list https://example.org/a.zip https://example.org/b.csv > files.tsv

Nothing is downloaded: each server is asked for the size (and, where it tells, the MD5) of its file.
The service reads the list from an address that everybody can read, and needs no machine of yours;
deploy/gke/data.sh does the whole of it:

    deploy/gke/data.sh melanoma

A file then is gs://BUCKET/HOST/PATH: https://example.org/a.zip becomes gs://BUCKET/example.org/a.zip;
write that as its address into fetch.files.

The format is TsvHttpData-1.0: https://cloud.google.com/storage-transfer/docs/create-url-list
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tools.rendering import find, read_recipe
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.pipeline.command import command, parser_of
from verdict.sources.addresses import redacted, scheme_of

HEADER = "TsvHttpData-1.0"
_TIMEOUT = (20.0, 60.0)  # seconds to connect, and without an answer
_RETRIES = Retry(
    total=4,
    backoff_factor=0.5,  # seconds, doubled each time
    status_forcelist=(408, 429, 500, 502, 503, 504),
    raise_on_status=False,
)


@dataclass(frozen=True)
class Entry:
    """A file on the web: its address, its size in bytes, and its MD5 in base64 where known."""

    url: str
    size: int
    md5: str | None

    def line(self) -> str:
        return "\t".join([self.url, str(self.size), *([self.md5] if self.md5 else [])])


def transfer_list(urls: Iterable[str]) -> str:
    """Return the list's text: sorted by the bytes of the UTF-8 addresses, each of them once.

    Raises:
        VerdictError: naming the first address that the service could not copy from.
    """
    chosen = sorted(set(urls), key=str.encode)
    for url in chosen:
        _check(url)
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))
        entries = [_ask(session, url) for url in chosen]
    return "\n".join([HEADER, *(entry.line() for entry in entries)]) + "\n"


def _check(url: str) -> None:
    scheme = scheme_of(url)
    if scheme not in ("http", "https"):
        advice = (
            "The stage fetch brings it by itself: nothing needs to be copied."
            if scheme in ("kaggle", "hf", "pypi")
            else "A bucket is copied without a list: gcloud transfer jobs create gs://… gs://…"
        )
        raise VerdictError(
            f"{redacted(url)} is no http:// or https:// address, and a URL list holds no others. "
            f"{advice}"
        )
    if re.search(r"\s", url):
        raise VerdictError(f"{redacted(url)!r} holds white space; write it as %20.")


def _ask(session: requests.Session, url: str) -> Entry:
    # Compression in transit would make the length that of another file.
    headers = {"Accept-Encoding": "identity"}
    try:
        answer = session.head(url, headers=headers, timeout=_TIMEOUT, allow_redirects=True)
    except requests.RequestException as error:
        # The library's own messages hold the address with its query, hence `from None`.
        raise VerdictError(
            f"{redacted(url)} cannot be asked: {type(error).__name__}. Is the address right, and "
            "the server there?"
        ) from None
    if answer.status_code != 200:
        raise VerdictError(
            f"{redacted(url)} answered HTTP {answer.status_code}, where 200 was expected. The "
            "service copies only what everybody can read without logging in."
        )
    length = answer.headers.get("Content-Length", "")
    if not length.isdigit():
        raise VerdictError(
            f"{redacted(url)} does not say how long it is (no Content-Length), and the service "
            "copies from no such server."
        )
    if answer.headers.get("Accept-Ranges", "").strip().lower() == "none":
        raise VerdictError(
            f"{redacted(url)}: the server refuses Range requests, which the service needs."
        )
    return Entry(url, int(length), _md5(answer.headers))


def _md5(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 in base64 from ``x-goog-hash`` or ``Content-MD5``, where a server sends it.

    An ETag is not taken: on many servers it has the form of an MD5 and is none.
    """
    parts = [part.strip() for part in headers.get("x-goog-hash", "").split(",")]
    stated = [part.removeprefix("md5=") for part in parts if part.startswith("md5=")]
    stated += [headers.get("Content-MD5", "").strip()]
    for text in stated:
        try:
            digest = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        if len(digest) == 16:
            return text
    return None


def _of_recipe(name: str) -> list[str]:
    path = find(name)
    files = read_recipe(path).fetch.files
    if not files:
        raise VerdictError(f"{path} names no addresses in fetch.files; give them one by one.")
    return [file.address for file in files.values()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("tools.transfer_list", __doc__)
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--recipe", metavar="NAME", help="take the addresses of its fetch.files")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there, not to the terminal")
    options = parser.parse_args(arguments)
    if not options.urls and not options.recipe:
        parser.error("give addresses, or a recipe by --recipe")
    with command("transfer_list"):
        urls = [*options.urls, *(_of_recipe(options.recipe) if options.recipe else [])]
        text = transfer_list(urls)
        if options.out:
            with replacing(options.out) as partial:
                partial.write_text(text, encoding="utf-8")
        else:
            print(text, end="")


if __name__ == "__main__":
    main()
