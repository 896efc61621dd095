"""What benchmarks print is what the page of claims says, and only of runs that were whole."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.parts import claims
from benchmarks.parts.table import Figure, conclude
from testing.places import ROOT

PAGE = f"# Claims\n\n{claims.BEGIN}old\n{claims.END}\nMore.\n"
FIGURES = [
    Figure("a step", 12.3456, "ms"),
    Figure("over a bare loop", 1.234, "", "<=", 1.1),
    Figure("runs", 6, "of 6", "=", 6),
    Figure("by hand", 0.5, beside=True),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, in which ``python -m benchmarks.step`` is running."""
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/step.py"])
    started_as(monkeypatch, "benchmarks.step")
    (tmp_path / claims.RESULTS).mkdir(parents=True)
    (tmp_path / claims.PAGE).parent.mkdir()
    (tmp_path / claims.PAGE).write_text(PAGE, "utf-8")
    return tmp_path


def started_as(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name=module))


def table_of(project: Path) -> list[str]:
    text = (project / claims.PAGE).read_text("utf-8")
    before, _, rest = text.partition(claims.BEGIN)
    inside, _, after = rest.partition(claims.END)
    assert (before, after) == ("# Claims\n\n", "\nMore.\n")
    return inside.splitlines()[2:]


def older(figures: list[dict[str, Any]], date: str | None) -> dict[str, Any]:
    """Return what is known of a run that was written down by hand."""
    unknown = {"title": None, "processor": None, "cores": 2, "commit": None}
    return {**unknown, "date": date, "figures": figures}


def test_the_page_says_what_the_files_say() -> None:
    page = (ROOT / claims.PAGE).read_text("utf-8")
    assert page == claims.renewed(page, ROOT / claims.RESULTS), (
        "run `python -m benchmarks.parts.claims`"
    )


def test_a_page_that_says_something_else_is_noticed() -> None:
    page = (ROOT / claims.PAGE).read_text("utf-8")
    before, begin, rest = page.partition(claims.BEGIN)
    for other in (rest.replace("| 2 of 2 |", "| 1 of 2 |", 1), rest.partition("\n")[2]):
        assert other != rest
        assert claims.renewed(before + begin + other, ROOT / claims.RESULTS) == page


def test_what_is_printed_is_written_and_a_missed_figure_is_bold(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        conclude("training step", FIGURES)
    assert stopped.value.code == 1
    said = capsys.readouterr().out
    run = json.loads((project / claims.RESULTS / "step.json").read_text("utf-8"))
    for figure in run["figures"]:
        (line,) = [line for line in said.splitlines() if figure["what"] in line]
        assert figure["measured"] in line
        assert figure["target"] in line
        assert {True: "reached", False: "MISSED", None: ""}[figure["reached"]] in line
    assert [f["measured"] for f in run["figures"]] == ["12.35 ms", "1.234", "6 of 6", "0.5"]
    assert [f["reached"] for f in run["figures"]] == [None, False, True, None]
    where = f"{run['processor']}, {run['cores']} cores, no commit"
    assert table_of(project) == [
        f"| *training step* | | | `step` | {where} |",
        f"| over a bare loop | **1.234** | ≤ 1.1 | `step` | {run['date']} |",
        f"| runs | 6 of 6 | = 6 of 6 | `step` | {run['date']} |",
        f"| by hand | 0.5 | | `step` | {run['date']} |",
    ]
    assert "docs/claims.md has changed" in said


def test_a_rerun_replaces_its_own_rows_alone(project: Path) -> None:
    figure = {"what": "twice", "measured": "3.5; **2.8** times", "target": "≥ 3 times",
              "reached": False, "beside": False}  # fmt: skip
    for name, date in (("remote", None), ("step", "2026-11-21"), ("anew", None)):
        run = older([figure], date)
        (project / claims.RESULTS / f"{name}.json").write_text(json.dumps(run), "utf-8")
    claims.main()
    told = "| twice | 3.5; **2.8** times | ≥ 3 times |"
    others = [f"{told} `remote` | earlier |", f"{told} `anew` | earlier |"]
    assert table_of(project) == [f"{told} `step` | by 2026-11-21 |", *others]
    with pytest.raises(SystemExit):
        conclude("training step", FIGURES)
    assert table_of(project)[-2:] == others
    assert len(table_of(project)) == 4 + 2


@pytest.mark.parametrize(
    ("arguments", "module", "claimed"),
    [
        (["--rounds", "1"], "benchmarks.step", True),
        ([], "pytest.__main__", True),
        ([], "benchmarks.parts.table", True),
        ([], "benchmarks.step", False),
    ],
)
def test_other_runs_leave_no_trace(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    module: str,
    claimed: bool,
) -> None:
    monkeypatch.setattr(sys, "argv", ["it", *arguments])
    started_as(monkeypatch, module)
    with pytest.raises(SystemExit):
        conclude("training step", FIGURES, claimed)
    assert list((project / claims.RESULTS).iterdir()) == []
    assert (project / claims.PAGE).read_text("utf-8") == PAGE


def test_a_benchmark_started_as_make_does_is_recorded(tmp_path: Path) -> None:
    """With the commit, which the files that benchmarks write do not change, and others do."""
    for folder in ("benchmarks", "testing"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "verdict").symlink_to(ROOT / "verdict")
    (tmp_path / claims.PAGE).parent.mkdir()
    shutil.copy(ROOT / claims.PAGE, tmp_path / claims.PAGE)
    script = tmp_path / "benchmarks" / "trial.py"
    script.write_text(
        "from benchmarks.parts.table import Figure, conclude\n"
        'conclude("a trial", [Figure("sum", 2, "", "=", 2)])\n'
    )

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    run("git", "init", "--quiet")
    run("git", "add", "--all")
    someone = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    run("git", *someone, "commit", "--quiet", "--message", "Start")
    commit = run("git", "rev-parse", "--short=12", "HEAD").strip()
    for change, expected in (("", commit), ("", commit), ("# more\n", f"{commit} with changes")):
        script.write_text(script.read_text() + change)
        said = run(sys.executable, "-m", "benchmarks.trial")
        found = json.loads((tmp_path / claims.RESULTS / "trial.json").read_text("utf-8"))
        assert (found["title"], found["commit"]) == ("a trial", expected)
        assert "benchmarks/results/trial.json" in said
        assert f"cores, {expected} |" in (tmp_path / claims.PAGE).read_text("utf-8")
    assert run("git", "diff", "--name-only").split() == ["benchmarks/trial.py", "docs/claims.md"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<<<<<<< HEAD\n", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"title": null}', "KeyError: 'figures'"),
    ],
)
def test_a_file_that_no_benchmark_wrote_is_named(project: Path, text: str, problem: str) -> None:
    (project / claims.RESULTS / "step.json").write_text(text)
    with pytest.raises(SystemExit, match=rf"results/step\.json .*{problem}.*name=step"):
        claims.main()


def test_a_page_without_a_place_for_the_table_is_named(project: Path) -> None:
    (project / claims.PAGE).write_text(PAGE.replace(claims.END, ""))
    with pytest.raises(SystemExit, match="measured: end"):
        claims.main()
