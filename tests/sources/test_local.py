"""Addresses on this machine lie in the one path at which DVC looks for edits."""

from pathlib import Path

import pytest

from verdict.core.errors import VerdictError
from verdict.params.data import Fetch
from verdict.sources.local import NOTHING, check_local

RAW = Path("data/raw")


def _fetch(local: str, *addresses: str) -> Fetch:
    files = {f"file_{n}": {"address": a, "sha256": None} for n, a in enumerate(addresses)}
    values = {"source": "files", "files": files, "local": local, "embedded": {}}
    return Fetch.model_validate(values)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / "data/mine").mkdir(parents=True)
    (root / "data/mine/a.csv").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.csv").touch()
    (root / "data/mine/b.csv").symlink_to(tmp_path / "elsewhere/b.csv")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    ("local", "addresses"),
    [
        (NOTHING, ()),
        (NOTHING, ("https://example.org/a.csv", "hf://datasets/a/b@0/c")),
        ("data/mine/a.csv", ("data/mine/a.csv",)),
        ("data/mine/", ("./data/mine/a.csv", "data/mine/b.csv", "s3://bucket/c")),
        ("link", ("../elsewhere/b.csv", "link/absent.csv")),
        ("data/mine", ("data/mine/*/[ab].csv",)),
    ],
)
def test_inside(local: str, addresses: tuple[str, ...], project: Path) -> None:
    check_local(_fetch(local, *addresses), RAW)
    check_local(_fetch(str(project / local), *addresses), RAW)


def test_outside_is_told_with_the_value_that_is_right(project: Path) -> None:
    mine = project / "data/mine"
    for local, given, right in (
        (NOTHING, ("data/mine/a.csv",), mine / "a.csv"),
        ("data/mine/a.csv", ("data/mine/a.csv", "data/mine/b.csv"), mine),
        (NOTHING, ("data/mine/x/*.csv",), mine / "x"),
        ("~/mine", (mine.as_uri(),), mine),
    ):
        with pytest.raises(VerdictError) as told:
            check_local(_fetch(local, *given), RAW)
        assert str(told.value).startswith(f"params.yaml: fetch.local is {local}, and fetch.files.")
        assert str(told.value).endswith(f"that holds all local addresses: {right}.")
        check_local(_fetch(str(right), *given), RAW)


def test_what_holds_the_raw_data_is_none(project: Path) -> None:
    for local in ("data", ".", str(project.parent)):
        with pytest.raises(VerdictError, match=r"it holds data/raw, which the stage writes.*Set"):
            check_local(_fetch(local, "data/mine/a.csv"), RAW)
    with pytest.raises(VerdictError, match=r"is outside of it.*links to them, into a folder of"):
        check_local(_fetch("data/mine", "data/mine/a.csv", "../elsewhere/b.csv"), RAW)
