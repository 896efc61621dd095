"""What servers answer that is not HTTP as it should be: one message, or what is odd is ignored."""

from collections.abc import Callable

import pytest
import requests

from tests.sources.conftest import CONTENT
from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.sources.addresses import own_name

pytestmark = pytest.mark.fault("network")

#: A digit in Latin-1 that ``int`` refuses.
SQUARED = "\xb2"


@pytest.mark.parametrize("length", [SQUARED, "9" * 5000, "-1", "3000001, 3000001", ""])
def test_a_length_that_is_none_is_not_believed(fetch: Callable[..., bytes], length: str) -> None:
    server = FileServer(CONTENT, headers={"Content-Length": length}, content_length=False)
    with serving(server):
        assert fetch(f"{server.address}/a") == CONTENT


@pytest.mark.parametrize("length", ["9" * 18, "9" * 30])
def test_a_redirect_of_an_impossible_length_is_one_message(
    fetch: Callable[..., bytes], length: str
) -> None:
    headers = {"Location": "/b", "Content-Length": length}
    server = FileServer(CONTENT, statuses=[302] * 9, headers=headers)
    with serving(server), pytest.raises(VerdictError, match=r"^Could not "):
        fetch(f"{server.address}/a")


def test_a_redirect_that_does_not_decompress_is_one_message(
    fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_: object, **__: object) -> requests.Response:
        raise RuntimeError("brotli: decoder is unhealthy")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(VerdictError, match=r"^Could not ask for .*/a: RuntimeError"):
        fetch("http://host.test/a")


@pytest.mark.parametrize("size", [b"f" * 16, b"f" * 30, b"-1", b"x"])
def test_a_chunk_of_an_impossible_length_is_one_message(
    fetch: Callable[..., bytes], size: bytes
) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    server = FileServer(size + b"\r\nbytes", headers=chunked, content_length=False)
    with serving(server), pytest.raises(VerdictError, match=r"^Could not download"):
        fetch(f"{server.address}/a")


@pytest.mark.parametrize(
    "wait", [SQUARED, "9" * 400, "Fri, 31 Dec 999999999 23:59:59 GMT", "Fri", "-5"]
)
def test_an_odd_wait_is_none(
    fetch: Callable[..., bytes], wait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verdict.sources.download.LONGEST_RETRY_AFTER", 0.0)
    server = FileServer(CONTENT, statuses=[503], headers={"Retry-After": wait})
    with serving(server):
        assert fetch(f"{server.address}/a") == CONTENT


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://a:b:c/", "http://\xff\xfe/", "http://.../", "nowhere://a"]
)
def test_a_broken_place_to_redirect_to_is_one_message(
    fetch: Callable[..., bytes], location: str
) -> None:
    server = FileServer(CONTENT, statuses=[302] * 3, headers={"Location": location})
    with serving(server), pytest.raises(VerdictError, match="Could not "):
        fetch(f"{server.address}/a")


@pytest.mark.parametrize("location", ["http://plain.test/a", "HTTP://plain.test/a", " http://x/a"])
def test_https_is_not_left_for_http(
    fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    server = FileServer(CONTENT, statuses=[302], headers={"Location": location})
    send = requests.adapters.HTTPAdapter.send

    def without_tls(
        self: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        asked = str(request.url)
        request.url = asked.replace("https://secure.test", server.address)
        response = send(self, request, **options)  # type: ignore[arg-type]
        response.url = request.url = asked
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", without_tls)
    with serving(server):
        with pytest.raises(VerdictError, match="redirects from https to an address without it"):
            fetch("https://secure.test/a")
        assert len(server.requests) == 1
        server.statuses, server.headers = [302], {"Location": "/b"}
        assert fetch("https://secure.test/a") == CONTENT


@pytest.mark.parametrize("name", ["a" * 300, "ä" * 200, "a%00b", "..", "%2e%2e", "a%2F.."])
def test_a_name_that_no_file_can_have_is_none(name: str) -> None:
    assert own_name(f"https://example.org/{name}") == ""
