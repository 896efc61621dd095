"""What a real DVC has in its cache is taken from there, and not asked of a server again."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.sources.hub import Hub
from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.sources.cache import from_cache
from verdict.sources.hub import fetch_model
from verdict.sources.several import receive_all

BYTES = b"left,right,label\n" * 1000
SHA256 = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose cache has ``raw/deep/pairs.csv``, and another file of that name."""
    monkeypatch.chdir(tmp_path)
    for folder, content in (("deep", BYTES), ("other", b"another")):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        (tmp_path / "raw" / folder / "pairs.csv").write_bytes(content)
    for command in (["init", "--no-scm"], ["add", "raw"]):
        subprocess.run(["dvc", *command, "--quiet"], check=True)
    return tmp_path


def test_a_file_of_the_cache_is_not_downloaded_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(FileServer(BYTES)) as server:
        received = receive_all(
            f"{server.address}/pairs.csv", sha256=SHA256, several=False, partial_folder=Path("part")
        )
        assert server.requests == []
    received.place(project / "here.csv")
    assert (project / "here.csv").read_bytes() == BYTES
    assert list(Path("part").iterdir()) == []
    assert "pairs.csv was here already, in DVC's cache" in capsys.readouterr().out


def test_what_has_another_checksum_or_name_is_downloaded(project: Path) -> None:
    other = b"a new version\n"
    with serving(FileServer(other)) as server:
        for name, digest in (("pairs.csv", other), ("others.csv", other)):
            received = receive_all(
                f"{server.address}/{name}",
                sha256=hashlib.sha256(digest).hexdigest(),
                several=False,
                partial_folder=Path("part"),
            )
            assert [path.read_bytes() for path in received.files.values()] == [other]
            received.discard()
        assert len(server.requests) >= 2


def test_a_damaged_cache_gives_nothing(project: Path) -> None:
    (path,) = (
        path
        for path in (project / ".dvc/cache/files/md5").glob("*/*")
        if path.suffix != ".dir" and path.read_bytes() == BYTES
    )
    path.chmod(0o644)
    path.write_bytes(BYTES[:-1])
    assert from_cache("pairs.csv", SHA256, Path("part")) is None
    for listing in (project / ".dvc/cache/files/md5").glob("*/*.dir"):
        listing.chmod(0o644)
        listing.write_text("[{}")
    assert from_cache("pairs.csv", SHA256, Path("part")) is None


def test_a_models_weights_are_taken_from_the_cache(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(project / "token"))
    weights = bytes(range(256)) * 1000
    with serving(Hub({"config.json": b"{}", "model.safetensors": weights})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        fetch_model(Hub.name, Hub.commit, Path("first"))
        subprocess.run(["dvc", "add", "first", "--quiet"], check=True)
        hub.files_refused = (403, "")
        with pytest.raises(VerdictError):  # the small ones are asked for
            fetch_model(Hub.name, Hub.commit, Path("second"))
        (unfinished,) = project.glob(".second.*.unfinished")
        assert (unfinished / "model.safetensors").read_bytes() == weights
        hub.files_refused = None
        fetch_model(Hub.name, Hub.commit, Path("second"))
    assert (project / "second/model.safetensors").read_bytes() == weights
