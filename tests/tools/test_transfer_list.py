"""The URL list of the Storage Transfer Service, made by asking local servers."""

import base64
import hashlib
import shutil
from pathlib import Path

import pytest

from testing.places import ROOT
from tests.sources.servers import FileServer, serving
from tools.rendering import render
from tools.transfer_list import main, transfer_list
from verdict.core.errors import VerdictError

CONTENT = b"not really a ZIP"
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()


def test_sizes_and_order(tmp_path: Path) -> None:
    with serving(FileServer(CONTENT)) as server:
        names = ("b.zip", "B.zip", "a/ü.csv", "a/z.csv", "a.zip", "b.zip")
        text = transfer_list(f"{server.address}/{name}" for name in names)
        header, *lines = text.removesuffix("\n").split("\n")
        assert header == "TsvHttpData-1.0"
        listed = [line.removeprefix(f"{server.address}/").split("\t") for line in lines]
        # By bytes: upper case before lower, "." before "/", and "ü" (0xC3) after "z".
        assert [name for name, _ in listed] == ["B.zip", "a.zip", "a/z.csv", "a/ü.csv", "b.zip"]
        assert {size for _, size in listed} == {str(len(CONTENT))}
        assert {request.encoding for request in server.requests} == {"identity"}


@pytest.mark.parametrize(
    ("headers", "md5"),
    [
        ({"x-goog-hash": f"crc32c=AAAAAA==,md5={MD5}"}, MD5),
        ({"x-goog-hash": f"md5={MD5}"}, MD5),
        ({"Content-MD5": MD5}, MD5),
        ({"x-goog-hash": "crc32c=AAAAAA=="}, None),
        ({"Content-MD5": hashlib.md5(CONTENT).hexdigest()}, None),  # not in base64
        ({"Content-MD5": "no hash at all!"}, None),
        ({}, None),
    ],
)
def test_md5_where_the_server_tells_it(headers: dict[str, str], md5: str | None) -> None:
    etag = f'"{hashlib.md5(CONTENT).hexdigest()}"'  # looks like one, and is not taken
    with serving(FileServer(CONTENT, etag=etag, headers=headers)) as server:
        line = transfer_list([f"{server.address}/a"]).splitlines()[1]
        assert line.split("\t")[1:] == [str(len(CONTENT)), *([md5] if md5 else [])]


def test_a_busy_server_is_asked_again() -> None:
    with serving(FileServer(CONTENT, statuses=[503, 429])) as server:
        assert f"/a\t{len(CONTENT)}\n" in transfer_list([f"{server.address}/a"])
        assert [request.status for request in server.requests] == [503, 429, 200]


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (FileServer(b"", statuses=[404]), "/a.zip answered HTTP 404, where 200 was expected"),
        (FileServer(b"", statuses=[403]), "/a.zip answered HTTP 403"),
        (FileServer(b"", content_length=False), "/a.zip does not say how long it is"),
        (FileServer(b"", headers={"Accept-Ranges": "none"}), "/a.zip: the server refuses Range"),
    ],
)
def test_errors_name_the_address(server: FileServer, said: str) -> None:
    with serving(server), pytest.raises(VerdictError, match=said):
        transfer_list([f"{server.address}/a.zip"])
    assert len(server.requests) == 1, "what will not change is not asked again"


@pytest.mark.fault("secrets")
def test_errors_hide_the_secret_of_a_signed_address() -> None:
    with (
        serving(FileServer(b"", statuses=[403])) as server,
        pytest.raises(VerdictError, match=r"/a\.zip\?… answered") as caught,
    ):
        transfer_list([f"{server.address}/a.zip?signature=secret"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://bucket/a.zip", r"gs://bucket/a\.zip is no http:// or https:// .*without a list"),
        ("hf://datasets/a/b", r"hf://datasets/a/b is no http:// .* fetch brings it by itself"),
        ("data/a.zip", r"data/a\.zip is no http"),
        ("https://example.org/a b.zip", r"a b\.zip' holds white space; write it as %20"),
    ],
)
def test_addresses_that_a_list_cannot_hold(url: str, said: str) -> None:
    with pytest.raises(VerdictError, match=said):
        transfer_list([url])


def test_no_server() -> None:
    with serving(FileServer(CONTENT)) as server:
        address = server.address
    with pytest.raises(VerdictError, match=f"{address}/a cannot be asked: ConnectionError"):
        transfer_list([f"{address}/a"])


def test_a_recipe_s_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = render(ROOT / "recipes" / "melanoma.yaml")
    with serving(FileServer(CONTENT)) as server:
        (tmp_path / "recipes").mkdir()
        shutil.copy(ROOT / "recipes" / "defaults.yaml", tmp_path / "recipes")
        (tmp_path / "recipes" / "own.yaml").write_text(
            text.replace("https://isic-challenge-data.s3.amazonaws.com", server.address), "utf-8"
        )
        main(["--recipe", "own", "--out", "lists/files.tsv"])
        written = (tmp_path / "lists" / "files.tsv").read_bytes()
        main(["--recipe", "own"])
    assert capsys.readouterr().out.encode() == written
    names = [line.split(b"\t")[0].rpartition(b"_Training_")[2] for line in written.splitlines()[1:]]
    assert names == [b"Duplicates.csv", b"GroundTruth.csv", b"GroundTruth_v2.csv", b"JPEG.zip"]
    assert b"\r" not in written


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"transfer_list: there is no recipe 'absent'"):
        main(["--recipe", "absent"])
    with pytest.raises(SystemExit):
        main([])
    assert "give addresses, or a recipe" in capsys.readouterr().err
