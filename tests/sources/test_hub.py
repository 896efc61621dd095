"""Against a stand-in of the hub's interface on the loopback."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.sources.hub import Hub
from tests.sources.servers import serving
from verdict.core.errors import VerdictError
from verdict.sources import hub as module
from verdict.sources.hub import fetch_model

WEIGHTS = random.Random(3).randbytes(300_000)
WANTED = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": WEIGHTS[::-1],
    "model.safetensors.index.json": b'{"weight_map": {}}',
    "tokenizer.json": b'{"version": "1.0"}',
    "tokenizer.model": b"sentencepiece",
    "chat_template.jinja": b"{{ messages }}",
    "additional_chat_templates/tool.jinja": b"{{ tools }}",
    "merges.txt": b"a b",
}
UNWANTED = {
    ".gitattributes": b"*",
    "README.md": b"# Model",
    "pytorch_model.bin": b"pickle",
    "model.pt": b"pickle",
    "tokenizer.pkl": b"pickle",
    "optimizer.pickle": b"pickle",
    "consolidated.safetensors": WEIGHTS,
    "onnx/model.safetensors": WEIGHTS,
}
NAME = Hub.name
COMMIT = Hub.commit


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The library reads the folder's place on import; a model of the developer must not be used.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub({**WANTED, **UNWANTED})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_unfinished_folders_of_other_revisions_are_removed(hub: Hub, tmp_path: Path) -> None:
    hub.files_refused = (403, "")
    with pytest.raises(VerdictError):
        fetch_model(NAME, COMMIT, tmp_path / "base")
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name]
    hub.files_refused, hub.commit = None, "f" * 40
    fetch_model(NAME, "f" * 40, tmp_path / "base")
    assert not [path.name for path in tmp_path.iterdir() if "unfinished" in path.name]


@pytest.mark.fault("supply chain")
@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_only_what_is_loaded_arrives(hub: Hub, tmp_path: Path, revision: str) -> None:
    fetch_model(NAME, revision, tmp_path / "models" / "base")
    assert _files(tmp_path / "models" / "base") == WANTED
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["base"]
    assert not {name for _, name, _ in hub.served} & UNWANTED.keys()


def test_an_older_model_is_replaced_whole(hub: Hub, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "adapter.safetensors").write_bytes(b"old")
    fetch_model(NAME, COMMIT, base)
    assert _files(base) == WANTED


@pytest.mark.fault("network")
def test_body_cut_half_way(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.broken["model-00001-of-00002.safetensors"] = 100_000
    fetch_model(NAME, COMMIT, tmp_path / "base")
    assert _files(tmp_path / "base") == WANTED
    assert not hub.broken


@pytest.mark.fault("network")
def test_failed_fetch_is_continued_by_the_next(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_bytes(b"before")
    refused = (503, "")
    served = hub._respond_file

    def fail_after_the_first_weights(handler: object, name: str) -> None:
        if name == "model-00002-of-00002.safetensors":
            hub.files_refused = refused
        served(handler, name)  # type: ignore[arg-type]
        hub.files_refused = None

    monkeypatch.setattr(hub, "_respond_file", fail_after_the_first_weights)
    monkeypatch.setattr(module, "snapshot_download", _one_at_a_time(module.snapshot_download))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with pytest.raises(VerdictError, match="HTTP 503"):
        fetch_model(NAME, COMMIT, base)
    assert _files(base) == {"config.json": b"before"}

    monkeypatch.setattr(hub, "_respond_file", served)
    hub.served.clear()
    fetch_model(NAME, COMMIT, base)
    assert _files(base) == WANTED
    fetched = {name for method, name, _ in hub.served if method == "GET"}
    assert "model-00002-of-00002.safetensors" in fetched
    assert "model-00001-of-00002.safetensors" not in fetched
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.fault("supply chain")
def test_damaged_weights_are_not_accepted(hub: Hub, tmp_path: Path) -> None:
    hub.listed_checksum["model-00001-of-00002.safetensors"] = "0" * 64
    with pytest.raises(VerdictError, match=r"model-00001-of-00002\.safetensors .* damaged"):
        fetch_model(NAME, COMMIT, tmp_path / "base")
    assert not (tmp_path / "base").exists()
    hub.listed_checksum.clear()
    hub.served.clear()
    fetch_model(NAME, COMMIT, tmp_path / "base")
    assert _files(tmp_path / "base") == WANTED


@pytest.mark.fault("supply chain")
def test_model_without_safetensors(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(VerdictError, match=r"no \*\.safetensors"):
        fetch_model(NAME, COMMIT, tmp_path / "base")
    assert list(tmp_path.iterdir()) == []


def test_a_repository_of_gguf_files_is_named_as_such(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"model-Q8_0.gguf": b"GGUF"}
    expected = rf"in models\.\*\.gguf: hf://{NAME}@{COMMIT}/model-Q8_0\.gguf"
    with pytest.raises(VerdictError, match=expected):
        fetch_model(NAME, COMMIT, tmp_path / "base")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", ["listing_refused", "files_refused"])
def test_gated_model(hub: Hub, tmp_path: Path, where: str, status: int) -> None:
    setattr(hub, where, (status, "GatedRepo"))
    with pytest.raises(VerdictError) as caught:
        fetch_model(NAME, COMMIT, tmp_path / "base")
    assert f"https://huggingface.co/{NAME}" in str(caught.value)
    assert "HF_TOKEN" in str(caught.value)
    assert not (tmp_path / "base").exists()


@pytest.mark.fault("network")
def test_unknown_model(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="organization/absent is not on the hub"):
        fetch_model("organization/absent", COMMIT, tmp_path / "base")


@pytest.mark.fault("network")
def test_unknown_revision(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="has no revision ffff"):
        fetch_model(NAME, "f" * 40, tmp_path / "base")


@pytest.mark.fault("supply chain")
def test_impossible_name(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="organization/model"):
        fetch_model("../../etc", COMMIT, tmp_path / "base")


@pytest.mark.fault("secrets")
def test_token_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.files_refused = (403, "")
    with pytest.raises(VerdictError, match=r"HTTP 403 .*HF_TOKEN is not valid") as caught:
        fetch_model(NAME, COMMIT, tmp_path / "base")
    assert "hf_secret" not in str(caught.value)


@pytest.mark.fault("network")
def test_hub_is_down(hub: Hub, tmp_path: Path) -> None:
    hub.listing_refused = (500, "")
    with pytest.raises(VerdictError, match="HTTP 500"):
        fetch_model(NAME, COMMIT, tmp_path / "base")


@pytest.mark.fault("network")
def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
    with pytest.raises(VerdictError, match=r"Could not reach the hub .*Connection refused"):
        fetch_model(NAME, COMMIT, tmp_path / "base")


def test_offline_mode(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(VerdictError, match="HF_HUB_OFFLINE is set"):
        fetch_model(NAME, COMMIT, tmp_path / "base")


def _one_at_a_time(download):  # type: ignore[no-untyped-def]
    return lambda *arguments, **options: download(*arguments, **options, max_workers=1)
