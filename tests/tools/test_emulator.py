"""The emulator keeps every byte that it acknowledged, and its setting is easy to take back."""

import builtins
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gcp_storage_emulator.exceptions import BadRequest

from tools import emulator as door
from tools.emulated_storage import HOST, Emulator, Storage
from tools.remote_access import project_config
from verdict.core.errors import VerdictError


@contextmanager
def serving(folder: Path, bucket: str = "data") -> Iterator[Emulator]:
    with Emulator(folder, bucket, port=0) as emulator:
        thread = threading.Thread(target=emulator.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield emulator
        finally:
            emulator.shutdown()
            thread.join()


def client(emulator: Emulator) -> Any:
    from gcsfs import GCSFileSystem

    return GCSFileSystem(token="anon", endpoint_url=emulator.address, skip_instance_cache=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


CONTENTS = {
    "empty": b"",
    "return": b"text\r",
    "line": b"text\r\n",
    "blank lines": b"\n\n\r\n\r\n",
    "like an e-mail": b"Content-Type: text/plain\r\n\r\n--==0==--\r\n",
    "every byte": bytes(range(256)) * 40 + b"\r",
}


def test_every_byte_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path) as emulator:
        files = client(emulator)
        for name, content in CONTENTS.items():
            files.pipe_file(f"data/{name}", content)
        assert {name: files.cat_file(f"data/{name}") for name in CONTENTS} == CONTENTS


def test_upload_in_parts(tmp_path: Path) -> None:
    content = bytes(range(251)) * 25_000  # above 5 MiB gcsfs announces it, then sends it
    (tmp_path / "large").write_bytes(content)
    with serving(tmp_path / "kept") as emulator:
        client(emulator).put_file(str(tmp_path / "large"), "data/large", chunksize=2**21)
        assert client(emulator).cat_file("data/large") == content


def test_part_out_of_place_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.add_to_resumable_upload("upload", b"12") is None
    with pytest.raises(BadRequest, match="from 2, not 3"):
        storage.add_to_resumable_upload("upload", b"45", 4, 3)
    assert storage.add_to_resumable_upload("upload", b"34", 4, 2) == b"1234"


@pytest.mark.fault("kills")
def test_index_outlives_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    with serving(tmp_path) as emulator:
        files = client(emulator)
        files.pipe_file("data/kept", b"1")
        files.pipe_file("data/gone", b"2")
        files.rm_file("data/gone")
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('["data", "half", {"na')
    with serving(tmp_path) as emulator:
        client(emulator).pipe_file("data/later", b"3")
    assert set(Storage(tmp_path).objects["data"]) == {"kept", "later"}


def test_half_an_upload_is_no_object(tmp_path: Path) -> None:
    with serving(tmp_path) as emulator:
        with socket.create_connection((HOST, emulator.server_port)) as connection:
            connection.sendall(
                b"POST /upload/storage/v1/b/data/o?uploadType=media&name=half HTTP/1.1\r\n"
                b"Host: x\r\nContent-Length: 100\r\n\r\nhalf"
            )
        assert not client(emulator).exists("data/half")
        client(emulator).pipe_file("data/whole", b"1")
        assert client(emulator).ls("data", detail=False) == ["data/whole"]


def test_setting_is_taken_back(project: Path) -> None:
    local = project / ".dvc" / "config.local"
    local.write_text("[cache]\n    dir = /elsewhere\n")
    before = local.read_text()
    door.use("http://127.0.0.1:1")
    config = project_config()
    assert config["core"]["remote"] == "emulator"
    assert config["remote"]["emulator"] == {
        "url": "gs://verdict",
        "endpointurl": "http://127.0.0.1:1",
        "allow_anonymous_login": True,
        "verify": True,
    }
    door.use("http://127.0.0.1:2")
    assert project_config()["remote"]["emulator"]["endpointurl"] == "http://127.0.0.1:2"
    assert door.remove()
    assert local.read_text() == before
    assert not door.remove()
    assert not (project / ".dvc" / "config").exists()


def test_another_default_is_not_replaced(project: Path) -> None:
    local = project / ".dvc" / "config.local"
    local.write_text("[core]\n    remote = mine\n['remote \"mine\"']\n    url = /backup\n")
    before = local.read_text()
    with pytest.raises(VerdictError, match=r"'mine'.* dvc remote default --local --unset"):
        door.use("http://127.0.0.1:1")
    assert local.read_text() == before


def test_no_port(project: Path) -> None:
    with pytest.raises(SystemExit, match=r"emulator: Port 65536 is none: --port takes 1 to 65535"):
        door.main(["--port", "65536"])
    assert not (project / ".dvc/config.local").exists()


def test_used_port(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(project / "other") as stranger:
        with pytest.raises(SystemExit) as ended:
            door.main(["--port", str(stranger.server_port)])
        assert f"Port {stranger.server_port} is in use, and not by this" in str(ended.value.code)
    assert not (project / ".dvc" / "config.local").exists()
    with serving(project / "running", door.BUCKET) as running:
        door.main(["--port", str(running.server_port)])
    assert f"runs already, at {running.address}" in capsys.readouterr().out
    assert project_config()["remote"]["emulator"]["endpointurl"] == running.address


def test_pointing_at_it_needs_no_server_s_package(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a clone with the pinned requirements alone."""
    assert door.HOST == HOST
    import_ = builtins.__import__

    def without(name: str, *others: Any, **options: Any) -> Any:
        if name.startswith("gcp_storage_emulator"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_(name, *others, **options)

    with serving(project / "running", door.BUCKET) as running:
        port = str(running.server_port)
        monkeypatch.delitem(sys.modules, "tools.emulated_storage")
        monkeypatch.setattr(builtins, "__import__", without)
        door.main(["--port", port])
    assert f"runs already, at {running.address}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="gcp_storage_emulator is not installed: make install-dev"):
        door.main(["--port", port])


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        door.main(["--remove"])
    assert "belongs to no DVC project" in str(ended.value.code)
