"""Placing what arrived under the names that a task wants."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources.servers import FileServer, serving
from verdict.core.errors import VerdictError
from verdict.params.data import Fetch
from verdict.sources.data import fetch_data

CSV = b"left,right,label\n"


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Fetch for a task with the given ``FILES``; return the contents by relative name."""

    def run(
        names: dict[str, str], inside: str = "my pairs", **addresses: tuple[str, str | None] | str
    ) -> dict[str, bytes]:
        monkeypatch.chdir(tmp_path)
        pairs = {k: (v, None) if isinstance(v, str) else v for k, v in addresses.items()}
        files = {key: {"address": a, "sha256": s} for key, (a, s) in pairs.items()}
        options = Fetch.model_validate(
            {"source": "files", "files": files, "local": inside, "embedded": {}}
        )
        raw = tmp_path / "data" / "raw"
        fetch_data(names, options, raw)
        assert not [path for path in Path(".downloads").glob("*") if path.suffix != ".lock"]
        return {
            path.relative_to(raw).as_posix(): path.read_bytes()
            for path in raw.rglob("*")
            if path.is_file()
        }

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my pairs"
    (folder / "older").mkdir(parents=True)
    for name in ("b.csv", "a.csv", ".hidden", "older/c.csv"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_files_and_folders_side_by_side(
    fetch: Callable[..., dict[str, bytes]], folder: Path
) -> None:
    with serving(FileServer(CSV)) as server:
        found = fetch(
            {"table": "table.csv", "remote": "remote/", "local": "local/"},
            table=f"{server.address}/some.csv",
            remote=f"{server.address}/pairs%20of%20beer.csv?version=2",
            local=str(folder),
        )
    assert found == {
        "table.csv": CSV,
        "remote/pairs of beer.csv": CSV,
        "local/a.csv": b"a.csv",
        "local/b.csv": b"b.csv",
    }
    assert (folder / "a.csv").exists()


def test_folders_in_a_local_folder_are_named(
    fetch: Callable[..., dict[str, bytes]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch({"pairs": "p/"}, pairs="my pairs/").keys() == {"p/a.csv", "p/b.csv"}
    assert (
        "my pairs/: not read are the 1 folders in it (older); my pairs/**/* reads them, too"
    ) in capsys.readouterr().out


@pytest.mark.parametrize("as_address", [str, lambda path: f"{path}/", Path.as_uri])
def test_forms_of_a_local_folder(
    fetch: Callable[..., dict[str, bytes]], folder: Path, as_address: Callable[[Path], str]
) -> None:
    assert fetch({"pairs": "p/"}, pairs=as_address(folder)).keys() == {"p/a.csv", "p/b.csv"}


def test_one_local_file_in_a_folder(fetch: Callable[..., dict[str, bytes]], folder: Path) -> None:
    sha256 = hashlib.sha256(b"a.csv").hexdigest()
    found = fetch({"pairs": "p/"}, pairs=(str(folder / "a.csv"), sha256))
    assert found == {"p/a.csv": b"a.csv"}


def test_a_local_pattern(fetch: Callable[..., dict[str, bytes]], folder: Path) -> None:
    found = fetch({"pairs": "p/", "one": "1.csv"}, pairs="my pairs/**/[ac].csv", one="my pairs/b*")
    assert found == {"p/a.csv": b"a.csv", "p/c.csv": b"older/c.csv", "1.csv": b"b.csv"}
    with pytest.raises(VerdictError, match=r"/\*\.txt is a pattern that no file fits"):
        fetch({"pairs": "p/"}, pairs="my pairs/*.txt")
    with pytest.raises(VerdictError, match=r"2 files \(a\.csv, b\.csv\), where one was expected"):
        fetch({"pairs": "p.csv"}, pairs="my pairs/*.csv")
    (folder / "[1].csv").write_bytes(b"a name")
    assert fetch({"pairs": "p.csv"}, pairs="my pairs/[1].csv") == {"p.csv": b"a name"}


def test_checksum_of_a_folder(fetch: Callable[..., dict[str, bytes]], folder: Path) -> None:
    sha256 = hashlib.sha256(b"a.csv").hexdigest()
    with pytest.raises(VerdictError, match=r"2 files \(a\.csv, b\.csv\), and one sha256 cannot"):
        fetch({"pairs": "p/"}, pairs=(str(folder), sha256))
    (folder / "b.csv").unlink()
    assert fetch({"pairs": "p/"}, pairs=(str(folder), sha256)) == {"p/a.csv": b"a.csv"}
    with pytest.raises(VerdictError, match="wrong checksum"):
        fetch({"pairs": "p/"}, pairs=(str(folder), "0" * 64))


def test_a_folder_where_one_file_is_expected(
    fetch: Callable[..., dict[str, bytes]], folder: Path
) -> None:
    with pytest.raises(VerdictError, match="is a directory, where one file was expected"):
        fetch({"pairs": "pairs.csv"}, pairs=str(folder))


def test_an_empty_folder(fetch: Callable[..., dict[str, bytes]], tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(VerdictError, match="is a folder without files"):
        fetch({"pairs": "p/"}, inside="empty", pairs="empty")
    with pytest.raises(VerdictError, match="absent does not exist"):
        fetch({"pairs": "p/"}, inside="absent", pairs="absent")


@pytest.mark.parametrize("address", ["https://host.invalid/", "https://[host/a.csv"])
def test_an_address_without_a_name(fetch: Callable[..., dict[str, bytes]], address: str) -> None:
    with pytest.raises(VerdictError, match="does not end in a file's name"):
        fetch({"pairs": "p/"}, pairs=address)


def test_two_entries_with_one_address(fetch: Callable[..., dict[str, bytes]], folder: Path) -> None:
    with pytest.raises(VerdictError, match="stand for the same file"):
        fetch({"one": "1", "two": "2"}, one=str(folder / "a.csv"), two=str(folder / "a.csv"))


@pytest.mark.fault("network")
def test_a_failure_replaces_nothing_and_keeps_what_came(
    fetch: Callable[..., dict[str, bytes]], tmp_path: Path
) -> None:
    names = {"one": "one.csv", "two": "two/"}
    with serving(FileServer(CSV)) as good, serving(FileServer(CSV, statuses=[404])) as bad:
        addresses = {"one": f"{good.address}/1.csv", "two": f"{bad.address}/2.csv"}
        raw = tmp_path / "data" / "raw"
        raw.mkdir(parents=True)
        (raw / "before").write_bytes(b"")
        with pytest.raises(VerdictError, match="does not exist"):
            fetch(names, **addresses)
        assert [path.name for path in raw.iterdir()] == ["before"]
        assert fetch(names, **addresses) == {"one.csv": CSV, "two/2.csv": CSV}
        assert [request.status for request in good.requests] == [200, 416]


@pytest.mark.fault("secrets")
def test_no_secret_of_an_address_gets_into_what_dvc_writes(fetch: Callable[..., object]) -> None:
    with pytest.raises(VerdictError, match="DVC would write it into"):
        fetch({"a": "a.zip"}, a="https://user:hunter22@127.0.0.1:9/a.zip")


def test_two_keys_of_one_address_are_told_before_anything_is_brought(
    fetch: Callable[..., dict[str, bytes]],
) -> None:
    with serving(FileServer(CSV)) as server:
        address = f"{server.address}/1.csv"
        with pytest.raises(VerdictError, match="for the same file, one and two: http"):
            fetch({"one": "one.csv", "two": "two.csv"}, one=address, two=address)
        assert server.requests == []


def test_a_file_without_an_entry_is_left_out(
    fetch: Callable[..., dict[str, bytes]], folder: Path
) -> None:
    found = fetch({"one": "one.csv", "two": "two.csv"}, one=str(folder / "a.csv"))
    assert found == {"one.csv": b"a.csv"}
