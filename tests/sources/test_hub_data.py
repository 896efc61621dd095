"""Files of a data set, against a stand-in of the hub's interface on the loopback."""

import hashlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.sources.hub import Hub
from tests.sources.servers import serving
from verdict.core.errors import VerdictError
from verdict.sources import download
from verdict.sources.several import receive_all

SHARD = random.Random(5).randbytes(3_000_000)
TRAIN = {
    "data/train-00000-of-00002.parquet": SHARD,
    "data/train-00001-of-00002.parquet": SHARD[::-1],
}
OTHERS = {
    "README.md": b"# Data set",
    "pairs.csv": b"left,right,label\n",
    "data/validation-00000-of-00001.parquet": SHARD[:1000],
    "data/older/train-00000-of-00001.parquet": SHARD[:2000],
    "other/train-00000-of-00002.parquet": SHARD[:3000],
    "old/data/validation-x.parquet": SHARD[:4000],
    "odd/a[1]?#b c.csv": b"x,y\n",
}
NAME = "owner/scans"
COMMIT = Hub.commit
START = f"hf://datasets/{NAME}@{COMMIT}/"
PAGE = f"https://huggingface.co/datasets/{NAME}"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The library reads the folder's place on import; a token of the developer must not be used.
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(download, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(download, "ATTEMPTS", 2)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub({**TRAIN, **OTHERS}, kind="dataset", name=NAME)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def _fetch(
    folder: Path, path: str, *, sha256: str | None = None, several: bool = True
) -> dict[str, bytes]:
    """Bring what ``path`` (or a whole address) stands for; nothing else may stay behind."""
    address = path if "://" in path else START + path
    received = receive_all(
        address, sha256=sha256, several=several, partial_folder=folder / "partial"
    )
    received.place_in(folder / "raw")
    assert {path.suffix for path in (folder / "partial").iterdir()} == {".lock"}
    return {path.name: path.read_bytes() for path in (folder / "raw").iterdir()}


def _own(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: content for name, content in files.items()}


def test_a_pattern_stands_for_every_shard(hub: Hub, tmp_path: Path) -> None:
    assert _fetch(tmp_path, "data/train-*.parquet") == _own(TRAIN)
    assert {name for _, name, _ in hub.served} == TRAIN.keys()
    assert hub.tokens == {None}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("pairs.csv", ["pairs.csv"]),
        ("*.csv", ["pairs.csv"]),
        ("data/train-0000[0-1]-of-0000?.parquet", list(TRAIN)),
        ("da*/validation-*", ["data/validation-00000-of-00001.parquet"]),
        ("*/*/train-*.parquet", ["data/older/train-00000-of-00001.parquet"]),
        ("odd/a[1]?#b c.csv", ["odd/a[1]?#b c.csv"]),
    ],
)
def test_patterns(hub: Hub, tmp_path: Path, pattern: str, found: list[str]) -> None:
    assert _fetch(tmp_path, pattern) == _own({name: hub.files[name] for name in found})


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("data/test-*.parquet", r"data has data/train-00000-of-00002\.parquet, data/train-00001"),
        ("nowhere/*.parquet", "the folder nowhere has no files"),
        ("*.parquet", r"its root has README\.md, pairs\.csv"),
        ("data", r"its root has README\.md"),
    ],
)
def test_nothing_matches(hub: Hub, tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(VerdictError, match=said) as caught:
        _fetch(tmp_path, pattern)
    assert f"{PAGE}/tree/{COMMIT}" in str(caught.value)


def test_several_files_where_one_is_expected(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"stands for 2 files \(train-00000.*one was expected"):
        _fetch(tmp_path, "data/train-*.parquet", several=False)
    assert not hub.served
    assert _fetch(tmp_path, "data/validation-*.parquet", several=False)


def test_two_files_of_one_name(hub: Hub, tmp_path: Path) -> None:
    said = r"several files named train-00000-of-00002\.parquet .*data/train.*other/train"
    with pytest.raises(VerdictError, match=said):
        _fetch(tmp_path, "*/train-00000-of-00002.parquet")
    assert not hub.served


@pytest.mark.fault("supply chain")
def test_checksum_in_the_parameters(hub: Hub, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(OTHERS["pairs.csv"]).hexdigest()
    assert _fetch(tmp_path, "*.csv", sha256=sha256) == {"pairs.csv": OTHERS["pairs.csv"]}
    with pytest.raises(VerdictError, match="wrong checksum"):
        _fetch(tmp_path, "*.csv", sha256="0" * 64)
    with pytest.raises(VerdictError, match="one sha256 cannot be that of all"):
        _fetch(tmp_path, "data/train-*.parquet", sha256=sha256)


@pytest.mark.fault("supply chain")
@pytest.mark.parametrize("name", ["data/validation-00000-of-00001.parquet", "pairs.csv"])
def test_damaged_file_is_not_accepted(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.listed_checksum[name] = "0" * 64
    with pytest.raises(VerdictError, match=f"{name} arrived damaged"):
        _fetch(tmp_path, name)
    hub.listed_checksum.clear()
    assert _fetch(tmp_path, name) == _own({name: OTHERS[name]})


@pytest.mark.fault("supply chain")
@pytest.mark.parametrize("revision", ["", "@main", "@v1.0", "@refs/pr/1", "@" + COMMIT[:7]])
def test_revision_that_moves(hub: Hub, tmp_path: Path, revision: str) -> None:
    with pytest.raises(VerdictError, match="needs a commit") as caught:
        _fetch(tmp_path, f"hf://datasets/{NAME}{revision}/pairs.csv")
    assert f"{PAGE}/commits/main" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        f"hf://spaces/{NAME}@{COMMIT}/config.json",
        f"hf://datasets/{NAME}@{COMMIT}",
        f"{START}../pairs.csv",
        f"hf://datasets/scans@{COMMIT}/a.csv",
        "hf://",
    ],
)
def test_impossible_address(hub: Hub, tmp_path: Path, address: str) -> None:
    with pytest.raises(VerdictError, match="expected hf://datasets/OWNER/NAME@COMMIT/PATH"):
        _fetch(tmp_path, address)


@pytest.mark.fault("network")
def test_unknown_data_set(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="owner/absent is not on the hub as a data set"):
        _fetch(tmp_path, f"hf://datasets/owner/absent@{COMMIT}/a.csv")


@pytest.mark.fault("network")
def test_unknown_revision(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=f"has no revision ffff.*{PAGE}/commits/main"):
        _fetch(tmp_path, f"hf://datasets/{NAME}@{'f' * 40}/pairs.csv")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", ["listing_refused", "files_refused"])
def test_gated_data_set(hub: Hub, tmp_path: Path, where: str, status: int) -> None:
    setattr(hub, where, (status, "GatedRepo"))
    with pytest.raises(VerdictError, match="gated") as caught:
        _fetch(tmp_path, "pairs.csv")
    assert f"Accept its licence at {PAGE} and set HF_TOKEN" in str(caught.value)


def test_token(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert _fetch(tmp_path, "pairs.csv")
    assert hub.tokens == {"Bearer hf_secret"}
    hub.files_refused = (403, "")
    with pytest.raises(VerdictError, match="HTTP 403") as caught:
        _fetch(tmp_path, "pairs.csv")
    assert "hf_secret" not in str(caught.value)


@pytest.mark.fault("secrets")
def test_token_stays_with_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(Hub(hub.files, kind="dataset", name=NAME)) as storage:
        hub.storage = storage.address
        assert _fetch(tmp_path, "data/train-*.parquet") == _own(TRAIN)
        assert hub.tokens == {"Bearer hf_secret"}
        assert storage.tokens == {None}


@pytest.mark.fault("network")
def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
    with pytest.raises(VerdictError, match=r"Could not reach the hub .*Connection refused"):
        _fetch(tmp_path, "pairs.csv")


def test_offline_mode(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(VerdictError, match="HF_HUB_OFFLINE is set"):
        _fetch(tmp_path, "pairs.csv")


@pytest.mark.fault("kills")
def test_killed_download_is_continued(hub: Hub, tmp_path: Path) -> None:
    first, second = TRAIN
    hub.wait_at = 2 * 2**20
    code = (
        "import sys; from pathlib import Path; "
        "from verdict.sources.several import receive_all; "
        "receive_all(sys.argv[1], sha256=None, several=True, partial_folder=Path(sys.argv[2]))"
    )
    arguments = [f"{START}data/train-*.parquet", str(tmp_path / "partial")]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size == 2 * 2**20 for path in tmp_path.glob("partial/*.data")):
            assert time.monotonic() < deadline, "the download did not get on"
            assert process.poll() is None, "the download ended by itself"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        hub.go_on.set()
    hub.served.clear()
    assert _fetch(tmp_path, "data/train-*.parquet") == _own(TRAIN)
    assert hub.served == [
        ("GET", first, len(SHARD) - 2 * 2**20),
        ("GET", second, len(SHARD)),
    ]


def test_what_is_complete_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    _, second = TRAIN
    served = hub._respond_file

    def refuse_the_second(handler: BaseHTTPRequestHandler, name: str) -> None:
        hub.files_refused = (503, "") if name == second else None
        served(handler, name)

    hub._respond_file = refuse_the_second  # type: ignore[method-assign]
    with pytest.raises(VerdictError, match=r"HTTP 503 \(after 2 attempts\)"):
        _fetch(tmp_path, "data/train-*.parquet")
    hub._respond_file = served  # type: ignore[method-assign]
    hub.files_refused = None
    hub.served.clear()
    assert _fetch(tmp_path, "data/train-*.parquet") == _own(TRAIN)
    assert hub.served == [("GET", second, len(SHARD))]
