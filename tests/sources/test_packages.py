"""Files of packages, from a stand-in of the package index that pip is told of."""

import hashlib
from pathlib import Path

import pytest

from tests.sources.index import Index, wheel
from verdict.core.errors import VerdictError
from verdict.sources.download import receive
from verdict.sources.several import receive_all

TABLE = b"id,name\n1,jane\n" * 5000
FILES = {"febrl/data/dataset1.csv": TABLE, "febrl/data/dataset2.csv": b"id\n", "LICENCE.md": b"MIT"}
ADDRESS = "pypi://febrl-sets==0.16/febrl/data/dataset1.csv"


@pytest.fixture(autouse=True)
def _published(index: Index) -> None:
    index.wheels = dict([wheel("febrl_sets", "0.16", FILES), wheel("febrl_sets", "0.17", {})])


def _left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def test_a_file_is_taken_out_of_the_package(index: Index, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(TABLE).hexdigest()
    received = receive(ADDRESS, sha256=sha256, partial_folder=tmp_path / "partial")
    received.place_in(tmp_path / "raw")
    assert (tmp_path / "raw/dataset1.csv").read_bytes() == TABLE
    assert _left(tmp_path / "partial") == []
    assert index.served == ["/simple/febrl-sets/", "/files/febrl_sets-0.16-py3-none-any.whl"]


def test_what_has_arrived_is_not_asked_for_again(index: Index, tmp_path: Path) -> None:
    receive_all(ADDRESS, sha256=None, several=True, partial_folder=tmp_path)
    index.wheels = {}
    received = receive_all(ADDRESS, sha256=None, several=True, partial_folder=tmp_path)
    received.place(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == TABLE


@pytest.mark.fault("network")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("pypi://febrl-sets==0.16", "no address of a file in a package; expected pypi://NAME==V"),
        ("pypi://febrl-sets/a.csv", "no address of a file in a package"),
        ("pypi://febrl-sets>=0.16/a.csv", "no address of a file in a package"),
        ("pypi://-r==1/a.csv", "no address of a file in a package"),
        ("pypi://febrl-sets==9.9/a.csv", r"has no wheel of febrl-sets==9\.9 .*0\.16, 0\.17.*name"),
        ("pypi://nothing-such==1.0/a.csv", r"has no wheel of nothing-such==1\.0"),
        (
            "pypi://febrl-sets==0.16/febrl/dataset1.csv",
            r"febrl-sets==0\.16 has no file febrl/dataset1\.csv\. .*: febrl/data/dataset1\.csv,",
        ),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, address: str, expected: str) -> None:
    with pytest.raises(VerdictError, match=expected):
        receive(address, sha256=None, partial_folder=tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.fault("network")
def test_a_package_that_is_not_what_the_index_lists_is_refused(
    index: Index, tmp_path: Path
) -> None:
    index.hashes = dict.fromkeys(index.wheels, "0" * 64)
    with pytest.raises(VerdictError, match=r"could not download febrl-sets==0\.16: .*hash"):
        receive(ADDRESS, sha256=None, partial_folder=tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.fault("network")
def test_a_package_that_is_no_archive_is_refused(index: Index, tmp_path: Path) -> None:
    index.wheels = dict.fromkeys(index.wheels, b"<html>")
    with pytest.raises(VerdictError, match=r"febrl-sets==0\.16"):
        receive(ADDRESS, sha256=None, partial_folder=tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.fault("network")
def test_a_file_of_another_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match="wrong checksum"):
        receive(ADDRESS, sha256="0" * 64, partial_folder=tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.fault("network")
def test_an_index_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(VerdictError, match=r"febrl-sets==0\.16"):
        receive(ADDRESS, sha256=None, partial_folder=tmp_path)
