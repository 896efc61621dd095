"""Whole files over HTTP: in one request, continued after a break, and begun anew after a change."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources.conftest import CONTENT, HALF, SHA256
from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.sources import download as module
from verdict.sources.download import receive


def test_whole_file_in_one_request(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT)) as server:
        assert fetch(f"{server.address}/archive.zip") == CONTENT
        assert [request.range for request in server.requests] == [None]
        assert server.requests[0].encoding == "identity"


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1])
def test_every_size(fetch: Callable[..., bytes], size: int) -> None:
    with serving(FileServer(CONTENT[:size])) as server:
        assert fetch(f"{server.address}/a", sha256=None) == CONTENT[:size]


def test_unknown_length(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, content_length=False)) as server:
        assert fetch(f"{server.address}/a") == CONTENT


def test_uppercase_checksum_is_the_same(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT)) as server:
        assert fetch(f"{server.address}/a", sha256=SHA256.upper()) == CONTENT


def test_file_labelled_as_compressed_in_transit_stays_as_published(
    fetch: Callable[..., bytes],
) -> None:
    server = FileServer(CONTENT, headers={"Content-Encoding": "x-gzip"})
    with serving(server):
        assert fetch(f"{server.address}/a.tar.gz") == CONTENT


def test_destination_on_another_file_system(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    folder = other / f"verdict-{os.getpid()}"
    try:
        with serving(FileServer(CONTENT)) as server:
            receive(f"{server.address}/a", sha256=SHA256, partial_folder=tmp_path).place(
                folder / "a"
            )
        assert (folder / "a").read_bytes() == CONTENT
        assert [path.name for path in folder.iterdir()] == ["a"]
        assert not list(tmp_path.glob("*.data"))
    finally:
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()


@pytest.mark.fault("network")
@pytest.mark.parametrize(
    "version",
    [
        {"etag": '"one"'},
        {"etag": None, "last_modified": "Wed, 21 Oct 2020 07:28:00 GMT"},
        {"etag": 'W/"weak"', "last_modified": "Wed, 21 Oct 2020 07:28:00 GMT"},
        {"etag": 'W/"weak"'},
        {"etag": None},  # no version at all, but a checksum to come
    ],
)
def test_broken_body_is_continued(
    fetch: Callable[..., bytes], version: dict[str, str | None]
) -> None:
    with serving(FileServer(CONTENT, **version, break_after=[HALF])) as server:  # type: ignore[arg-type]
        assert fetch(f"{server.address}/a") == CONTENT
        assert [request.range for request in server.requests] == [None, f"bytes={HALF}-"]
        assert sum(request.sent for request in server.requests) == len(CONTENT)
        # A weak ETag must not be used in If-Range (RFC 9110, section 13.1.5).
        expected = version.get("last_modified") or version["etag"]
        assert server.requests[1].if_range == (None if expected == 'W/"weak"' else expected)


def test_without_version_and_checksum_nothing_is_continued(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, etag=None, break_after=[HALF])) as server:
        assert fetch(f"{server.address}/a", sha256=None) == CONTENT
        assert [request.range for request in server.requests] == [None, None]


def test_answer_200_to_a_range_starts_again(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, ranges=False, break_after=[HALF])) as server:
        assert fetch(f"{server.address}/a") == CONTENT
        assert [request.status for request in server.requests] == [200, 200]


@pytest.mark.fault("network")
@pytest.mark.parametrize("honours_if_range", [True, False])
def test_file_changed_between_attempts(
    tmp_path: Path, fetch: Callable[..., bytes], honours_if_range: bool
) -> None:
    with serving(FileServer(CONTENT, break_after=[HALF] * 3, ranges=False)) as server:
        address = f"{server.address}/a"
        with pytest.raises(VerdictError, match=r"the connection ended early \(after 3 attempts\)"):
            fetch(address)
        server.ranges = True
        server.content, server.etag = CONTENT[::-1], '"two"'
        if not honours_if_range:
            server._start = lambda request: int((request.range or "bytes=0-")[6:-1])  # type: ignore[method-assign]
        assert fetch(address, sha256=None) == CONTENT[::-1]
    assert server.requests[3].range == f"bytes={HALF}-"
    assert server.requests[3].if_range == '"one"'


@pytest.mark.fault("network")
def test_length_alone_gives_a_change_away(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, etag=None, break_after=[HALF] * 9, ranges=False)) as server:
        with pytest.raises(VerdictError):
            fetch(f"{server.address}/a")
        server.break_after, server.ranges, server.content = [], True, CONTENT[:-1]
        shorter = hashlib.sha256(CONTENT[:-1]).hexdigest()
        assert fetch(f"{server.address}/a", sha256=shorter) == CONTENT[:-1]
        assert [request.status for request in server.requests][-2:] == [206, 200]


def test_complete_partial_is_accepted_without_a_transfer(
    tmp_path: Path, fetch: Callable[..., bytes]
) -> None:
    """A process killed between the last byte and the move asks behind the end: 416."""
    with serving(FileServer(CONTENT)) as server:
        module.receive(f"{server.address}/a", sha256=SHA256, partial_folder=tmp_path / "partial")
        assert fetch(f"{server.address}/a") == CONTENT
        assert [request.status for request in server.requests] == [200, 416]
        assert server.requests[1].sent == 0


@pytest.mark.fault("network")
def test_file_became_shorter_than_the_partial(tmp_path: Path, fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT)) as server:
        module.receive(f"{server.address}/a", sha256=None, partial_folder=tmp_path / "partial")
        server.content = CONTENT[:HALF]  # and the ETag stays, so that the server answers 416
        assert fetch(f"{server.address}/a", sha256=None) == CONTENT[:HALF]
        assert [request.status for request in server.requests] == [200, 416, 200]


def test_complete_partial_of_another_version(tmp_path: Path, fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT)) as server:
        module.receive(f"{server.address}/a", sha256=None, partial_folder=tmp_path / "partial")
        server.content, server.etag = CONTENT[::-1], '"two"'
        server._start = lambda request: int((request.range or "bytes=0-")[6:-1])  # type: ignore[method-assign]
        assert fetch(f"{server.address}/a", sha256=None) == CONTENT[::-1]
        assert [request.status for request in server.requests] == [200, 416, 200]
