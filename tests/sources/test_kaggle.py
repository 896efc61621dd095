"""Against a stand-in of Kaggle that redirects to a second server, as the real one does."""

import base64
import hashlib
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.servers import FileServer, Kaggle, serving
from verdict.core.errors import VerdictError
from verdict.sources import download as module
from verdict.sources.download import receive

CONTENT = random.Random(4).randbytes(1_000_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = 500_000
ADDRESS = "kaggle://owner/breast-images/versions/4"
PAGE = "https://www.kaggle.com/datasets/owner/breast-images"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_TOKEN", "USERNAME", "KEY", "CONFIG_DIR"):
        monkeypatch.delenv(f"KAGGLE_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "ATTEMPTS", 3)


@pytest.fixture
def storage() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as server:
        yield server


@pytest.fixture
def kaggle(storage: FileServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with serving(Kaggle(storage.address)) as server:
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", f"{server.address}/")
        yield server


def _fetch(folder: Path, sha256: str | None = SHA256) -> bytes:
    received = receive(ADDRESS, sha256=sha256, partial_folder=folder / "partial")
    assert list(received.files) == ["breast-images.zip"]
    received.place(folder / "archive.zip")
    return (folder / "archive.zip").read_bytes()


def test_the_version_asked_for_arrives_as_one_archive(
    kaggle: Kaggle, storage: FileServer, tmp_path: Path
) -> None:
    assert _fetch(tmp_path) == CONTENT
    (request,) = kaggle.requests
    path = "/api/v1/datasets/download/owner/breast-images?datasetVersionNumber=4"
    assert request.path == path
    assert request.authorization is None
    assert len(storage.requests) == 1


@pytest.mark.fault("network")
def test_broken_archive_is_continued_at_a_newly_signed_address(
    kaggle: Kaggle, storage: FileServer, tmp_path: Path
) -> None:
    storage.break_after = [HALF]
    assert _fetch(tmp_path, sha256=None) == CONTENT
    assert [request.range for request in storage.requests] == [None, f"bytes={HALF}-"]
    assert storage.requests[1].if_range == storage.etag
    signatures = [request.path.partition("=")[2] for request in storage.requests]
    assert signatures == ["signed-1", "signed-2"]


@pytest.mark.fault("network")
def test_failed_archive_is_continued_by_the_next_call(
    kaggle: Kaggle, storage: FileServer, tmp_path: Path
) -> None:
    storage.break_after = [HALF]
    served = storage.respond

    def then_refuse(handler: object) -> None:
        served(handler)  # type: ignore[arg-type]
        kaggle.refused = 503

    storage.respond = then_refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(VerdictError, match=r"HTTP 503 \(after 3 attempts\)"):
        _fetch(tmp_path)
    kaggle.refused = None
    assert _fetch(tmp_path) == CONTENT
    assert storage.requests[-1].range == f"bytes={HALF}-"


@pytest.mark.fault("supply chain")
def test_wrong_checksum(kaggle: Kaggle, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=f"{ADDRESS} has the wrong checksum: .* {SHA256}"):
        _fetch(tmp_path, sha256="0" * 64)
    assert not list(tmp_path.glob("partial/*.data"))


def _set_token(patch: pytest.MonkeyPatch, home: Path) -> str:
    patch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
    return "Bearer KGAT_secret"


def _write_token(patch: pytest.MonkeyPatch, home: Path) -> str:
    (home / ".kaggle").mkdir(parents=True)
    (home / ".kaggle" / "access_token").write_text("KGAT_secret\n")
    return "Bearer KGAT_secret"


def _set_pair(patch: pytest.MonkeyPatch, home: Path) -> str:
    patch.setenv("KAGGLE_USERNAME", "müller")
    patch.setenv("KAGGLE_KEY", "secret")
    return _basic("müller", "secret")


def _write_pair(patch: pytest.MonkeyPatch, home: Path) -> str:
    _write_json(home / ".kaggle")
    patch.setenv("KAGGLE_API_TOKEN", "")  # as a copied .env.example leaves it
    return _basic("someone", "secret")


def _write_pair_elsewhere(patch: pytest.MonkeyPatch, home: Path) -> str:
    _write_json(home / "elsewhere")
    patch.setenv("KAGGLE_CONFIG_DIR", str(home / "elsewhere"))
    return _basic("someone", "secret")


def _write_json(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "kaggle.json").write_text(json.dumps({"username": "someone", "key": "secret"}))


def _basic(username: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{key}".encode()).decode()


@pytest.mark.fault("secrets")
@pytest.mark.parametrize(
    "give", [_set_token, _write_token, _set_pair, _write_pair, _write_pair_elsewhere]
)
def test_credentials_go_to_kaggle_alone(  # type: ignore[no-untyped-def]
    give,
    kaggle: Kaggle,
    storage: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = give(monkeypatch, tmp_path / "home")
    assert _fetch(tmp_path) == CONTENT
    assert [request.authorization for request in kaggle.requests] == [expected]
    assert [request.authorization for request in storage.requests] == [None]


def test_the_token_comes_first(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_pair(monkeypatch, tmp_path)
    _write_json(tmp_path / "home" / ".kaggle")
    expected = _set_token(monkeypatch, tmp_path)
    _fetch(tmp_path)
    assert kaggle.requests[0].authorization == expected


@pytest.mark.fault("network")
@pytest.mark.parametrize("status", [401, 403])
def test_refused(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    kaggle.refused = status
    with pytest.raises(VerdictError, match="There are no credentials") as caught:
        _fetch(tmp_path)
    for said in (ADDRESS, f"HTTP {status}", PAGE, "rules", "KAGGLE_API_TOKEN"):
        assert said in str(caught.value)
    assert len(kaggle.requests) == 1
    _set_pair(monkeypatch, tmp_path)
    with pytest.raises(VerdictError, match="in KAGGLE_USERNAME and KAGGLE_KEY may have expired"):
        _fetch(tmp_path)


def test_unknown(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.refused = 404
    with pytest.raises(VerdictError, match=rf"{ADDRESS} does not exist .* version at {PAGE}"):
        _fetch(tmp_path)


@pytest.mark.fault("network")
def test_log_in_page(kaggle: Kaggle, storage: FileServer, tmp_path: Path) -> None:
    storage.headers = {"Content-Type": "text/html"}
    with pytest.raises(VerdictError, match=r"web page .* KAGGLE_API_TOKEN"):
        _fetch(tmp_path)


@pytest.mark.parametrize("end", ["", "/versions/", "/versions/0", "/versions/latest", "/a.csv"])
def test_address_without_a_version(kaggle: Kaggle, tmp_path: Path, end: str) -> None:
    said = "needs a version.*" + PAGE if not end else r"expected kaggle://OWNER/NAME/versions/N\."
    with pytest.raises(VerdictError, match=said):
        receive(f"kaggle://owner/breast-images{end}", sha256=None, partial_folder=tmp_path)
    assert not kaggle.requests


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"username": "hidden"}', '{"username": 3, "key": "hidden"}', "{hidden"],
    ids=["empty", "list", "no_key", "number", "no_json"],
)
def test_damaged_kaggle_json(kaggle: Kaggle, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "home" / ".kaggle"
    folder.mkdir(parents=True)
    (folder / "kaggle.json").write_text(content)
    if not content:  # as good as none
        assert _fetch(tmp_path) == CONTENT
        return
    with pytest.raises(VerdictError, match=r"kaggle\.json does not hold a username") as caught:
        _fetch(tmp_path)
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.fault("secrets")
@pytest.mark.parametrize("token", ["KGAT secret", "KGAT_\nsecret", "sécret"])
def test_impossible_token(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    with pytest.raises(VerdictError, match="KAGGLE_API_TOKEN holds characters") as caught:
        _fetch(tmp_path)
    assert token not in str(caught.value)


@pytest.mark.fault("secrets")
def test_secrets_stay_secret(
    kaggle: Kaggle,
    storage: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    _set_token(monkeypatch, tmp_path)
    said = ""
    for fault in ({"statuses": [403]}, {"statuses": [503] * 3}, {"break_after": [0] * 3}):
        for name, value in fault.items():
            setattr(storage, name, value)
        with pytest.raises(VerdictError) as caught:
            _fetch(tmp_path)
        said += str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    storage.address = "http://127.0.0.1:1"
    kaggle.storage = storage.address
    with pytest.raises(VerdictError, match="Connection refused") as caught:
        _fetch(tmp_path)
    shown = capfd.readouterr()
    said += str(caught.value) + shown.out + shown.err + caplog.text
    for path in (tmp_path / "partial").iterdir():
        said += path.name + path.read_text()
    assert ADDRESS in said
    assert "secret" not in said
    assert "signed" not in said
