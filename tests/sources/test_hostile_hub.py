"""A hub that lies or answers with less than it should: one message, and nothing is accepted."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.sources.hub import Hub
from tests.sources.servers import serving
from verdict.core.errors import VerdictError
from verdict.sources.hub import fetch_model
from verdict.sources.hub_data import list_hub_files

pytestmark = pytest.mark.fault("supply chain")

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


class Lying(Hub):
    """Changes what the hub's interface answers."""

    change: Callable[[Any], Any]

    def _json(self, handler: BaseHTTPRequestHandler, value: object) -> None:
        super()._json(handler, self.change(value))


def without(name: str, key: str) -> Callable[[Any], Any]:
    """Leave out a key of what is listed of a file."""

    def change(value: Any) -> Any:
        for file in value["siblings"] if isinstance(value, dict) else value:
            if name in (file.get("rfilename"), file.get("path")):
                for other in (key, "oid") if key == "blobId" else (key,):
                    file.pop(other, None)
        return value

    return change


def renamed(name: object, suffix: str = ".json") -> Callable[[Any], Any]:
    """List one more file, under a name that no file here can have."""

    def change(value: Any) -> Any:
        files = value["siblings"] if isinstance(value, dict) else value
        key = "rfilename" if isinstance(value, dict) else "path"
        files.append({**files[0], key: name + suffix if isinstance(name, str) else name})
        return value

    return change


NAMELESS = ("../../outside", "a" * 300, "ä" * 150, "a\0", "\ud800")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value | {"sha": "f" * 40}, "answered with commit ffff"),
        (lambda value: value | {"sha": None}, "answered with commit None"),
        (without("config.json", "size"), "config.json .* without its size or checksum"),
        (without("config.json", "blobId"), "config.json .* without its size or checksum"),
        (lambda value: value | {"siblings": []}, r"has no \*.safetensors"),
        (lambda value: value | {"siblings": None}, r"has no \*.safetensors"),
        (lambda value: value | {"siblings": [{}]}, "not what a hub answers"),
        (lambda _: [], "not what a hub answers"),
        (lambda _: {}, "not what a hub answers"),
        *((renamed(name), "lists .*, which no file") for name in NAMELESS),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_checked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], said: str
) -> None:
    hub = Lying(dict(FILES))
    hub.change = change
    with serving(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(VerdictError, match=said):
            fetch_model(hub.name, hub.commit, tmp_path / "models" / "base")
    assert not (tmp_path / "models" / "base").exists()
    assert not list(tmp_path.rglob("outside*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value | {"sha": "f" * 40} if "sha" in value else value, "commit ffff"),
        (lambda value: [] if isinstance(value, list) else value, "no file matches"),
        (lambda value: [{}] if isinstance(value, list) else value, "not what a hub answers"),
        (without("model.safetensors", "size"), "not what a hub answers"),
        (renamed(7), "not what a hub answers"),
        (renamed(None), "not what a hub answers"),
        *((renamed(name, ".safetensors"), "lists .*, which no file") for name in NAMELESS[1:]),
    ],
)
def test_data_that_cannot_be_checked_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], said: str
) -> None:
    hub = Lying(dict(FILES), kind="dataset")
    hub.change = change
    with serving(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(VerdictError, match=said):
            list_hub_files(f"hf://datasets/{hub.name}@{hub.commit}/*.safetensors")
