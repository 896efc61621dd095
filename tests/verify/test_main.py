"""The command itself: what it refuses before any work, where it writes, and how it ends."""

import json
from pathlib import Path

import pytest

from verify import __main__ as command
from verify.__main__ import main, parse
from verify.clone import run
from verify.findings import Verification, different


def found(*_: object, **__: object) -> Verification:
    return Verification("0" * 40, claims={"code": different("x.py is edited")})


@pytest.mark.parametrize("minutes", ["inf", "nan", "-1", "soon", "100000"])
def test_no_time_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--minutes={minutes}"])
    assert ended.value.code == 2
    assert f"{minutes} is no time: 0 to 10080 minutes" in capsys.readouterr().err


def test_as_much_time_as_is_allowed_can_be_waited_for(tmp_path: Path) -> None:
    longest = parse(["--minutes", "10080"]).minutes
    assert run(tmp_path, "echo done", 60 * longest).stdout == "done\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "file/v.json"], "file/v.json cannot be written: "),
        (["--out", "folder.json"], "folder.json is a folder; name a file"),
        (["--out", "page.json"], "page.html is a folder; name a file"),
        (
            ["--sign", "--private-key", "k", "--signature", "file/v.sig"],
            "file/v.sig cannot be written: ",
        ),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("folder.json", "page.html"):
        (tmp_path / name).mkdir()
    for work in ("verify", "prepare"):
        monkeypatch.setattr(command, work, lambda *_, **__: pytest.fail("it was done"))
    assert main(options) == 2
    assert capsys.readouterr().err.startswith(f"Could not verify: {said}")


def test_what_was_found_is_shown_also_where_it_cannot_be_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify(*_: object, **__: object) -> Verification:
        (tmp_path / "verification.json").mkdir()
        return found()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "verify", verify)
    assert main([]) == 2
    said = capsys.readouterr()
    assert "Does not hold: code." in said.out
    assert "Could not verify: verification.json cannot be written: Is a directory." in said.err


def test_findings_are_written_also_where_nobody_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "verify", found)
    monkeypatch.setattr(command, "show", show)
    assert main([]) == 2
    assert json.loads((tmp_path / "verification.json").read_text())["holds"] is False


def test_an_error_of_the_program_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "verify", lambda *_, **__: [][1])
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "IndexError: list index out of range" in said
    assert said.endswith("Could not verify: this is an error of verify itself.\n")


def test_no_project_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["--minutes", "0"]) == 2
    assert "Could not verify: git rev-parse: fatal: not a git repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        main(["--out", "verification.txt"])
    assert "has to end in .json" in capsys.readouterr().err
