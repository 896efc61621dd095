"""What goes wrong over HTTP: what is tried again, what is told, and what stays on the disk."""

import hashlib
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sources.conftest import CONTENT, HALF, SHA256
from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.sources import download as module
from verdict.sources import http, partial
from verdict.sources.download import receive

pytestmark = pytest.mark.fault("network")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_retried(fetch: Callable[..., bytes], status: int) -> None:
    with serving(FileServer(CONTENT, statuses=[status, status])) as server:
        assert fetch(f"{server.address}/a") == CONTENT
        assert len(server.requests) == 3


def test_retries_are_bounded(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, statuses=[503] * 9)) as server:
        with pytest.raises(VerdictError, match=r"HTTP 503 \(after 3 attempts\)"):
            fetch(f"{server.address}/a")
        assert len(server.requests) == 3


def test_failures_that_bring_something_do_not_count(fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, break_after=[300_000] * 9)) as server:
        assert fetch(f"{server.address}/a") == CONTENT
        assert len(server.requests) == 10
        assert sum(request.sent for request in server.requests) == len(CONTENT)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "licence"),
        (403, "licence"),
        (404, "does not exist"),
        (410, "does not exist"),
        (400, "HTTP 400"),
        (204, "HTTP 204"),
    ],
)
def test_final_answers_are_not_retried(fetch: Callable[..., bytes], status: int, said: str) -> None:
    with serving(FileServer(CONTENT, statuses=[status] * 9)) as server:
        with pytest.raises(VerdictError, match=said) as caught:
            fetch(f"{server.address}/a")
        assert str(status) in str(caught.value)
        assert f"{server.address}/a" in str(caught.value)
        assert len(server.requests) == 1


def test_waits_double_and_retry_after_is_respected(
    fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(module, "FIRST_WAIT", 1.0)
    monkeypatch.setattr(module, "LONGEST_WAIT", 6.0)
    monkeypatch.setattr(module, "ATTEMPTS", 6)
    with serving(FileServer(CONTENT, statuses=[503] * 6)) as server, pytest.raises(VerdictError):
        fetch(f"{server.address}/a")
    assert waits == [1, 2, 4, 6, 6]
    for header, expected in (
        ("3", 3.0),
        ("100000", module.LONGEST_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0),
        ("soon", 1.0),
    ):
        waits.clear()
        server = FileServer(CONTENT, statuses=[429], headers={"Retry-After": header})
        with serving(server):
            fetch(f"{server.address}/a")
        assert waits == [expected]


def test_wrong_checksum_is_deleted_and_fetched_afresh(
    tmp_path: Path, fetch: Callable[..., bytes]
) -> None:
    destination = tmp_path / "raw" / "archive.zip"
    with serving(FileServer(CONTENT[::-1])) as server:
        with pytest.raises(VerdictError) as caught:
            fetch(f"{server.address}/a")
        assert SHA256 in str(caught.value)
        assert hashlib.sha256(CONTENT[::-1]).hexdigest() in str(caught.value)
        assert not destination.exists()
        server.content = CONTENT
        assert fetch(f"{server.address}/a") == CONTENT
        assert [request.range for request in server.requests] == [None, None]


def test_failure_leaves_the_destination_alone(tmp_path: Path, fetch: Callable[..., bytes]) -> None:
    destination = tmp_path / "raw" / "archive.zip"
    destination.parent.mkdir()
    destination.write_bytes(b"before")
    with serving(FileServer(CONTENT, statuses=[404])) as server, pytest.raises(VerdictError):
        fetch(f"{server.address}/a")
    assert destination.read_bytes() == b"before"


def test_web_page_instead_of_the_file(fetch: Callable[..., bytes]) -> None:
    page = FileServer(b"<html>log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with serving(page):
        with pytest.raises(VerdictError, match="web page"):
            fetch(f"{page.address}/archive.zip", sha256=None)
        assert fetch(f"{page.address}/page.html", sha256=None) == page.content


def test_silent_server_times_out(
    fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    with serving(FileServer(CONTENT, wait_at=HALF)) as server:
        assert fetch(f"{server.address}/a") == CONTENT
        assert server.requests[1].range is not None
        server.go_on.set()


def test_nobody_listens(fetch: Callable[..., bytes]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(VerdictError, match="Connection refused") as caught:
        fetch(f"http://user:secret@127.0.0.1:{port}/a?token=secret")
    assert f"http://127.0.0.1:{port}/a" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.fault("secrets")
def test_secrets_stay_secret(
    fetch: Callable[..., bytes], capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    for fault in (
        {"statuses": [403]},
        {"statuses": [503] * 9},
        {"break_after": [5] * 9, "ranges": False},
        {},
    ):
        with serving(FileServer(b"x", **fault)) as server:  # type: ignore[arg-type]
            address = server.address.replace("//", "//user:secret@") + "/a.zip?token=secret"
            with pytest.raises(VerdictError) as caught:
                fetch(address)
        assert "secret" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    shown = capfd.readouterr()
    assert "a.zip" in shown.err
    assert "secret" not in shown.err + shown.out + caplog.text


@pytest.mark.fault("secrets")
def test_names_of_partial_files_hold_no_secret(tmp_path: Path) -> None:
    with serving(FileServer(CONTENT)) as server:
        address = f"{server.address}/a.zip?token=secret"
        module.receive(address, sha256=None, partial_folder=tmp_path)
    for path in tmp_path.iterdir():
        assert "secret" not in path.name
        assert b"secret" not in path.read_bytes()


@pytest.mark.parametrize("address", ["http://", "http://[::1/a", "ftp://host/a", "zip://a::b"])
def test_impossible_addresses(fetch: Callable[..., bytes], address: str) -> None:
    with pytest.raises(VerdictError):
        fetch(address)


@pytest.mark.fault("storage")
def test_no_space_is_noticed_before_the_transfer(
    fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2_000_000})
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _: usage)
    said = r"No space left.*: 3 MB .* 2 MB are free"
    with serving(FileServer(CONTENT)) as server, pytest.raises(VerdictError, match=said):
        fetch(f"{server.address}/a")


@pytest.mark.fault("storage")
@pytest.mark.parametrize("chunk", [CONTENT, b"x"])
def test_full_disk_during_the_transfer(tmp_path: Path, chunk: bytes) -> None:
    received = partial.Partial(tmp_path, "address")
    received.data.symlink_to("/dev/full")
    with pytest.raises(VerdictError, match="No space left"):
        list(received.append(iter([chunk])))


@pytest.mark.fault("several at once")
def test_second_process_is_kept_out(tmp_path: Path) -> None:
    with serving(FileServer(CONTENT)) as server:
        address = f"{server.address}/a"
        with (
            partial.Partial(tmp_path / "partial", address).locked("it"),
            pytest.raises(VerdictError, match="Another process"),
        ):
            receive(address, sha256=None, partial_folder=tmp_path / "partial").place(tmp_path / "a")


@pytest.mark.fault("kills")
def test_killed_download_is_continued(tmp_path: Path, fetch: Callable[..., bytes]) -> None:
    with serving(FileServer(CONTENT, wait_at=2 * 2**20)) as server:
        address = f"{server.address}/a"
        code = (
            "import sys; from pathlib import Path; from verdict.sources.download import receive; "
            "address, *paths = sys.argv[1:]; destination, partial = map(Path, paths); "
            "receive(address, sha256=None, partial_folder=partial).place(destination)"
        )
        arguments = [address, str(tmp_path / "a"), str(tmp_path / "partial")]
        process = subprocess.Popen([sys.executable, "-c", code, *arguments])
        try:
            deadline = time.monotonic() + 30
            while not any(
                path.stat().st_size == 2 * 2**20 for path in tmp_path.glob("partial/*.data")
            ):
                assert time.monotonic() < deadline, "the download did not get on"
                assert process.poll() is None, "the download ended by itself"
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            server.go_on.set()
        assert not (tmp_path / "a").exists()
        assert fetch(address) == CONTENT
        assert server.requests[1].range == f"bytes={2 * 2**20}-"
        assert server.requests[1].sent == len(CONTENT) - 2 * 2**20
