"""Every command of README.md and docs/: run here, shown by make, run by another test, or not run.

A command that stands in none of the four tables of ``tests.pipeline.commands`` fails the first
test, and so does an entry for a command that no page has any more.
"""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.project import Project
from tests.pipeline.commands import ELSEWHERE, NOT_RUN, RUN, SHOWN
from tests.pipeline.test_pages import DOCS, FENCED, README

PAGES = [README, *DOCS]

#: Programs whose commands count in the text as well, not in blocks alone.
PROGRAMS = ("make", "python -m", "dvc", "git", "docker", "pip", "gcloud", "model_signing")


def commands() -> list[str]:
    """Return the commands of the fenced bash blocks, without their comments, and of the text."""
    found = []
    blocks = [block for page in PAGES for block in FENCED.findall(page.read_text("utf-8"))]
    for block in (text for language, text in blocks if language == "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"(^|\s)#.*", "", line)
            if command.strip():
                found.append(" ".join(command.split()))
    return found + [one for program in PROGRAMS for one in inline(program)]


def inline(program: str) -> list[str]:
    """Return what the text has in backticks that starts with these words."""
    prose = "".join(FENCED.sub("", page.read_text("utf-8")) for page in PAGES)
    quoted = [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", prose)]
    return [one for one in quoted if one.startswith(f"{program} ")]


def mentioned(program: str) -> list[str]:
    """Return what the pages have in backticks or blocks that starts with these words."""
    return sorted({one for one in commands() if one.startswith(f"{program} ")})


def test_every_command_has_its_entry() -> None:
    tables = [*RUN, *SHOWN, *ELSEWHERE, *NOT_RUN]
    assert len(tables) == len(set(tables))
    assert sorted(set(commands()) - set(tables)) == [], "say in commands.py how these are tested"
    assert sorted(set(tables) - set(commands())) == [], "no page has these any more"


@pytest.mark.parametrize("command", RUN)
def test_command_runs(command: str, repro: Project) -> None:
    assert RUN[command] in repro.run("bash", "-c", command).stdout


@pytest.mark.parametrize("command", SHOWN)
def test_door_leads_to_what_is_tested(command: str) -> None:
    line, test, *words = SHOWN[command]
    project = Project(ROOT)
    shown = project.run("make", "--dry-run", *shlex.split(command)[1:]).stdout
    assert line in [" ".join(one.split()) for one in shown.splitlines()]
    module = re.search(r"tools\.\w+", line)
    sources = (ROOT / test).rglob("*.py") if (ROOT / test).is_dir() else [ROOT / test]
    if module and test:
        (shows,) = words or [module[0]]
        assert any(shows in source.read_text("utf-8") for source in sources)


@pytest.mark.parametrize("command", ELSEWHERE)
def test_other_tests_run_it(command: str) -> None:
    test, words = ELSEWHERE[command]
    assert words in (ROOT / test).read_text("utf-8")


def test_make_has_every_door_and_variable() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    made = {command.split()[3] for command in mentioned("python -m tools.new_task")}
    known = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    for command in mentioned("make"):
        door, *variables = command.split()[1:]
        assert door in known, command
        for variable in variables:
            assert f"$({variable.partition('=')[0]})" in makefile, command
        if command.endswith("=NAME"):
            continue
        name = re.search(r"\bname=(\w+)", command)
        assert name is None or (ROOT / "benchmarks" / f"{name[1]}.py").is_file(), command
        recipe = re.search(r"\brecipe=([\w/-]+)", command)
        assert (
            recipe is None
            or recipe[1].removeprefix("embedded/") in made
            or (ROOT / "recipes" / f"{recipe[1]}.yaml").is_file()
        ), command


def test_modules_exist_and_know_their_options() -> None:
    for command in mentioned("python -m"):
        module, *words = shlex.split(command)[2:]
        spec = importlib.util.find_spec(module)
        assert spec is not None, command
        assert spec.origin is not None
        origin = Path(spec.origin)
        files = origin.parent.glob("*.py") if origin.name == "__init__.py" else [origin]
        source = "".join(file.read_text("utf-8") for file in files)
        for option in (word for word in words if word.startswith("--")):
            assert f'"{option}"' in source or option == "--help", command
