"""Buckets; and what comes over HTTP, and how: soon tried again, and nothing partial left."""

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.buckets import amazon, google
from tests.sources.index import Index
from tests.sources.servers import serving
from verdict.sources import download as module
from verdict.sources.download import receive

__all__ = ["amazon", "google"]

CONTENT = random.Random(1).randbytes(3_000_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = 1_500_000


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "ATTEMPTS", 3)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index of packages, the only one that pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    with serving(Index({})) as server:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield server


@pytest.fixture
def fetch(tmp_path: Path, quick_retries: None) -> Callable[..., bytes]:
    """Download into tmp_path and return what arrived; nothing partial may stay behind."""

    def run(address: str, sha256: str | None = SHA256) -> bytes:
        destination = tmp_path / "raw" / "archive.zip"
        receive(address, sha256=sha256, partial_folder=tmp_path / "partial").place(destination)
        assert not list((tmp_path / "partial").glob("*.data"))
        assert not list((tmp_path / "partial").glob("*.json"))
        return destination.read_bytes()

    return run
