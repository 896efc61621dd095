"""Paths are named once, and are those of dvc.yaml."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.places import ROOT
from verdict.core import paths
from verdict.core.yaml12 import load_yaml
from verify.description import read_description
from verify.pipeline import overlap

PACKAGES = ("verdict", "stages", "verify", "tools")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
NAMED = {name: value for name, value in vars(paths).items() if isinstance(value, Path)}
#: Those of the project itself; and what a training writes that is no output.
NO_OUTPUTS = {"PARAMS_FILE", "PIPELINE_FILE", "LOCK_FILE", "REQUIREMENTS", "ENVIRONMENT"}


def outputs() -> Iterator[str]:
    """Yield what stages write; of those that the default has not, with ``${key}``."""
    for expanded in read_description(ROOT).values():
        yield from expanded.outs
    for stage in load_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"].values():
        described = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in described.get(kind, []):
                yield out if isinstance(out, str) else next(iter(out))


OUTPUTS = sorted(outputs())


@pytest.mark.parametrize("name", sorted(NAMED.keys() - NO_OUTPUTS))
def test_each_path_is_an_output_or_holds_or_lies_in_one(name: str) -> None:
    assert any(overlap(NAMED[name].as_posix(), out) for out in OUTPUTS)


def test_no_other_module_spells_a_path() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {node.value}"
        for path in MODULES
        if path != ROOT / "verdict/core/paths.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"(data|models|metrics)/[\w./-]+", node.value)
    }
    assert found == set()


def test_no_command_imports_a_stage_and_verify_no_tool() -> None:
    def imported(path: Path) -> set[str]:
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        return {
            name.partition(".")[0]
            for node in tree
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }

    for path in MODULES:
        package = path.relative_to(ROOT).parts[0]
        above = {"verdict": {"verify", "tools"}, "stages": {"verify", "tools"}, "verify": {"tools"}}
        wrong = above.get(package, set()) | ({"stages"} if package != "stages" else set())
        assert not imported(path) & wrong, path
