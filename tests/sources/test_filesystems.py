"""Local files, and buckets behind real emulators of Google Cloud Storage and S3."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sources.buckets import Put

# gcsfs reads this on import: its zonal-bucket probe retries for a minute against the emulator.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

from verdict.core.errors import VerdictError
from verdict.runtime.progress import Bar
from verdict.sources import download as module
from verdict.sources import filesystems
from verdict.sources.download import receive
from verdict.sources.several import receive_all

CONTENT = random.Random(2).randbytes(1_000_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOCK = 200_000


@pytest.fixture(autouse=True)
def small_blocks_and_quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "BLOCK", BLOCK)
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "ATTEMPTS", 2)


@pytest.fixture(params=["local", "file_uri", "gs", "s3"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Put]:
    """The beginning of an address, and how to put a file there."""
    if request.param == "gs":
        return "gs://data/", request.getfixturevalue("google")
    if request.param == "s3":
        return "s3://data/", request.getfixturevalue("amazon")
    folder = tmp_path / "a source"
    folder.mkdir()

    def put(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)

    return (f"{folder.as_uri()}/" if request.param == "file_uri" else f"{folder}/"), put


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., bytes]:
    def run(address: str, sha256: str | None = SHA256) -> bytes:
        destination = tmp_path / "raw" / "archive.zip"
        receive(address, sha256=sha256, partial_folder=tmp_path / "partial").place(destination)
        assert not list((tmp_path / "partial").glob("*.data"))
        return destination.read_bytes()

    return run


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Download and stop after two blocks; return the partial data."""

    def run(address: str) -> Path:
        with monkeypatch.context() as patch:
            calls = 0

            def advance(*_: Any) -> None:
                nonlocal calls
                calls += 1
                if calls == 3:  # the first one only shows where the transfer begins
                    raise KeyboardInterrupt

            patch.setattr(Bar, "advance", advance)
            with pytest.raises(KeyboardInterrupt):
                receive(address, sha256=None, partial_folder=tmp_path / "partial").place(
                    tmp_path / "x"
                )
        (data,) = (tmp_path / "partial").glob("*.data")
        assert data.stat().st_size == 2 * BLOCK
        return data

    return run


def test_whole_file(source: tuple[str, Put], fetch: Callable[..., bytes]) -> None:
    root, put = source
    put("whole.zip", CONTENT)
    assert fetch(f"{root}whole.zip") == CONTENT


def test_empty_file(source: tuple[str, Put], fetch: Callable[..., bytes]) -> None:
    root, put = source
    put("empty.zip", b"")
    assert fetch(f"{root}empty.zip", sha256=None) == b""


@pytest.mark.fault("network")
def test_interrupted_copy_is_continued(
    source: tuple[str, Put], fetch: Callable[..., bytes], interrupt: Callable[[str], Path]
) -> None:
    root, put = source
    put("continued.zip", CONTENT)
    data = interrupt(f"{root}continued.zip")
    # A mark in the bytes that are there shows that they are not read a second time.
    data.write_bytes(b"mark" + data.read_bytes()[4:])
    assert fetch(f"{root}continued.zip", sha256=None) == b"mark" + CONTENT[4:]


@pytest.mark.fault("network")
def test_file_changed_between_attempts(
    source: tuple[str, Put], fetch: Callable[..., bytes], interrupt: Callable[[str], Path]
) -> None:
    root, put = source
    put("changed.zip", CONTENT[::-1])
    interrupt(f"{root}changed.zip")
    put("changed.zip", CONTENT)
    assert fetch(f"{root}changed.zip", sha256=None) == CONTENT


@pytest.mark.fault("supply chain")
def test_wrong_checksum(source: tuple[str, Put], fetch: Callable[..., bytes]) -> None:
    root, put = source
    put("wrong.zip", CONTENT[::-1])
    with pytest.raises(VerdictError, match=f"expected SHA-256 {SHA256}"):
        fetch(f"{root}wrong.zip")
    put("wrong.zip", CONTENT)
    assert fetch(f"{root}wrong.zip") == CONTENT


@pytest.mark.fault("network")
def test_missing_file(source: tuple[str, Put], fetch: Callable[..., bytes]) -> None:
    root, _ = source
    with pytest.raises(VerdictError, match=r"missing\.zip does not exist"):
        fetch(f"{root}missing.zip")


@pytest.mark.parametrize("several", [True, False])
def test_a_name_that_no_file_has(tmp_path: Path, several: bool) -> None:
    address = str(tmp_path / ("a" * 300))
    with pytest.raises(VerdictError, match=r"aaa does not (exist|end in a file's name)"):
        receive_all(address, sha256=None, several=several, partial_folder=tmp_path)


def test_folder_instead_of_a_file(
    source: tuple[str, Put], fetch: Callable[..., bytes], tmp_path: Path
) -> None:
    root, put = source
    if root.startswith(("gs:", "s3:")):
        put("folder/inside.zip", CONTENT)
    else:
        (tmp_path / "a source" / "folder").mkdir()
    with pytest.raises(VerdictError, match="is a directory, where one file was expected"):
        fetch(f"{root}folder")


@pytest.mark.fault("network")
@pytest.mark.parametrize("source", ["gs", "s3"], indirect=True)
def test_missing_bucket(source: tuple[str, Put], fetch: Callable[..., bytes]) -> None:
    root, _ = source
    with pytest.raises(VerdictError, match="the bucket's name"):
        fetch(f"{root.replace('data', 'nobucket')}a.zip")


def test_private_bucket_without_credentials(
    amazon: Put, fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon("private.zip", CONTENT)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(VerdictError, match="AWS_PROFILE"):
        fetch("s3://data/private.zip")


def test_google_words_a_refusal_in_its_own_way(
    google: Put, fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = OSError("Forbidden: https://storage.googleapis.com/b/data\nno access")
    monkeypatch.setattr("gcsfs.GCSFileSystem.info", _raising(refusal))
    with pytest.raises(VerdictError, match="gcloud auth"):
        fetch("gs://data/private.zip")


def test_public_bucket_without_credentials(
    amazon: Put, fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon("public.zip", CONTENT, ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert fetch("s3://data/public.zip") == CONTENT


@pytest.mark.fault("network")
@pytest.mark.parametrize("error", [ConnectionResetError("reset by peer"), None])
def test_reading_ends_half_way_and_is_continued(
    source: tuple[str, Put],
    fetch: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
) -> None:
    root, put = source
    put("flaky.zip", CONTENT)
    whole = filesystems._chunks
    starts: list[int] = []

    def flaky(filesystem: Any, path: str, address: str, start: int) -> Iterator[bytes]:
        starts.append(start)
        for number, chunk in enumerate(whole(filesystem, path, address, start)):
            if number == 2 and len(starts) == 1:
                if error is not None:
                    raise filesystems._failure(error, address)
                return
            yield chunk

    monkeypatch.setattr(filesystems, "_chunks", flaky)
    assert fetch(f"{root}flaky.zip") == CONTENT
    assert starts == [0, 2 * BLOCK]


@pytest.mark.fault("network")
def test_trouble_that_stays_is_reported(
    amazon: Put, fetch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = _raising(OSError("the disk array is gone"))
    monkeypatch.setattr("s3fs.S3FileSystem.info", trouble)
    with pytest.raises(VerdictError, match=r"OSError: the disk array is gone \(after 2 attempts\)"):
        fetch("s3://data/a.zip")


def test_home_folder(
    fetch: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "archive.zip").write_bytes(CONTENT)
    assert fetch("~/archive.zip") == CONTENT


def test_relative_path(
    fetch: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "what?%20is::this.zip").write_bytes(CONTENT)
    assert fetch("what?%20is::this.zip") == CONTENT


def test_the_source_is_left_where_it_is(fetch: Callable[..., bytes], tmp_path: Path) -> None:
    original = tmp_path / "original.zip"
    original.write_bytes(CONTENT)
    fetch(str(original))
    (tmp_path / "raw" / "archive.zip").write_bytes(b"changed")
    assert original.read_bytes() == CONTENT


def test_unreadable_file(
    fetch: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tmp_path / "original.zip"
    original.write_bytes(CONTENT)
    # Not chmod: root, as in a container, may read everything.
    refusal = _raising(PermissionError(13, "Permission denied"))
    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.open", refusal)
    with pytest.raises(VerdictError, match="change its permissions"):
        fetch(str(original))


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_nothing_is_asked_about_the_kind_of_bucket_also_outside_make() -> None:
    code = (
        "from verdict.sources import filesystems; from gcsfs import core; import os; "
        f"print(os.environ[{(switch := 'GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT')!r}], core.__name__)"
    )
    environment = {name: value for name, value in os.environ.items() if name != switch}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["false", "gcsfs.core"]
