"""The benchmark of planted mistakes: each is planted alone, and tests notice it or do not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.mutation import TARGETS, LineTests, files
from benchmarks.parts.mutants import mutants
from testing.places import ROOT
from tests.splitting import test_published

MODULE = '''
"""A module."""
from typing import Literal

def lowest(values: list[int] | None, least: int = 0) -> int | None:
    """Return the lowest."""
    if not values:
        raise ValueError(f"no values, {1 + 1} expected")
    for value, _ in zip(values, values, strict=True):
        if value < least and value != 7:
            continue
    return min(values) - 1
'''


def test_each_mistake_has_its_place_and_is_planted_alone(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    found = list(mutants("module", path))
    assert [(mutant.line, mutant.what) for mutant in found] == [
        (5, "`1` for `0`"),
        (7, "`values` for `not values`"),
        (8, "`pass` for `raise ValueError(f'no values, {1 + 1} expected')`"),
        (10, "`value < least or value != 7` for `value < least and value != 7`"),
        (10, "`value <= least` for `value < least`"),
        (10, "`value == 7` for `value != 7`"),
        (10, "`8` for `7`"),
        (11, "`break` for `continue`"),
        (12, "`return None` for `return min(values) - 1`"),
        (12, "`min(values) + 1` for `min(values) - 1`"),
        (12, "`2` for `1`"),
    ]
    trees = {compile(mutant.tree(), "module", "exec").co_consts for mutant in found}
    assert len(trees) == len(found)


def test_a_line_that_runs_at_the_import_is_every_test_s() -> None:
    own = {1: [""], 2: ["quick", "slow"], 3: ["other"]}
    tests = LineTests({"b.py": {1: ["elsewhere", "quick"]}, "a.py": own})
    assert tests.of("a.py", 1) == ["quick", "slow", "other", "elsewhere"]
    assert tests.of("a.py", 2) == ["quick", "slow"]
    assert tests.of("a.py", 4) == []


def test_every_target_is_there() -> None:
    for modules, tests, _ in TARGETS.values():
        assert all(path.is_file() for _, path in files(modules))
        assert all((ROOT / test).exists() for test in tests)


#: Looks at some of what the small target below does.
_TEST = test_published.test_what_leaving_out_does_to_the_balance_is_told
RUN = f"""
import verdict.splitting.balance
from benchmarks import mutation
test = "{Path(test_published.__file__).relative_to(ROOT)}::{_TEST.__name__}"
mutation.TARGETS = {{"balance": (("verdict.splitting.balance",), (test,), 100)}}
mutation.main()
"""


def test_what_no_test_notices_is_named_and_counted() -> None:
    pytest.importorskip("coverage")
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert "verdict/splitting/balance.py:" in done.stdout
    found = re.search(r"balance: (\d+) of \1 mutants; noticed │ +([\d.]+) %", done.stdout)
    assert found is not None, done.stdout
    # Some are noticed, though the module was imported before any was planted.
    assert 0 < float(found[2]) < 100
