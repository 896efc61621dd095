"""Would the tests notice a mistake in statistics, splitting or parsing?

``make bench name=mutation`` plants small mistakes, one at a time: another comparison, sign, number
or condition, a result or a refusal left out. Of all there are it draws
some by a fixed seed, and runs for each the tests that come by its line, the quick ones first, until
one fails. What no test notices is printed with its place; some of that changes no result at all
(equivalent mutants), so that 100 % is out of reach.

    python -m benchmarks.mutation --target parsing --mutants 20    so many of that alone
"""

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.parts.mutants import Mutant, mutants
from benchmarks.parts.table import Figure, conclude
from testing.places import ROOT

#: What is tried: packages and modules, their tests, and how many mutants are drawn.
TARGETS: dict[str, tuple[Sequence[str], Sequence[str], int]] = {
    "statistics": (("verdict.statistics",), ("tests/statistics", "tests/comparison"), 150),
    "splitting": (
        ("verdict.splitting.assignment", "verdict.splitting.leakage", "verdict.splitting.balance"),
        ("tests/splitting",),
        130,
    ),
    "parsing": (("verdict.parse",), ("tests/test_parse.py",), 85),
}
#: Least share of the mutants of each that has to be noticed.
ENOUGH = 85  # per cent
#: Of a mutant that never ends.
PROCESSOR_SECONDS = 120
#: What takes long to import, and is no code of ours: done once, before processes are forked.
_LIBRARIES = (
    "hypothesis", "matplotlib.pyplot", "numpy", "pandas", "pyarrow.parquet", "pytest",
    "rouge_score", "sacrebleu", "scipy.stats", "sklearn.metrics", "sklearn.model_selection",
    "statsmodels.api", "torch",
)  # fmt: skip
_OURS = ("verdict", "testing", "tests")
_OPTIONS = (
    "--exitfirst", "--quiet", "--numprocesses=0", "--hypothesis-seed=0", "-pno:cacheprovider",
    "-Wignore",
)  # fmt: skip


@dataclass(frozen=True)
class LineTests:
    """Which tests come by each line of each file; the quickest first."""

    by_line: dict[str, dict[int, list[str]]]

    def of(self, path: str, line: int) -> list[str]:
        """Return a line's tests; of one that runs at the import, all, those of its file first."""
        own = self.by_line.get(path, {})
        found = own.get(line, [])
        if "" not in found:
            return found
        files = (own, *self.by_line.values())
        tests = (test for lines in files for some in lines.values() for test in some)
        return list(dict.fromkeys(test for test in tests if test))


def files(modules: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the name and file of each module, and of those in a package."""
    for name in modules:
        path = ROOT / name.replace(".", "/")
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in found:
            yield ".".join(file.relative_to(ROOT).with_suffix("").parts), file


def passes(tests: Sequence[str], plugins: Sequence[Any] = ()) -> bool:
    import hypothesis
    import pytest

    # A mistake found before would be tried first.
    hypothesis.settings.register_profile("mutants", database=None)
    hypothesis.settings.load_profile("mutants")
    return pytest.main([*_OPTIONS, *tests], plugins=list(plugins)) == 0


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Send what this process says nowhere; for forked ones."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    yield


def measure(modules: Sequence[str], tests: Sequence[str], report: Path) -> None:
    """Run tests, and write down which come by which line; in a process of its own."""
    import coverage
    import pytest

    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        include = [str(path) for _, path in files(modules)]
        seen = coverage.Coverage(Path(folder) / "data", config_file=False, include=include)

        class Contexts:
            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
                seen.switch_context(item.nodeid)
                started = time.monotonic()
                done = yield
                seconds[item.nodeid] = time.monotonic() - started
                seen.switch_context("")
                return done

        seen.start()
        if not passes(tests, [Contexts()]):
            os._exit(1)
        seen.stop()
        data = seen.get_data()
        found = {
            path: {
                line: sorted(contexts, key=lambda test: seconds.get(test, 0.0))
                for line, contexts in data.contexts_by_lineno(path).items()
            }
            for path in data.measured_files()
        }
    report.write_text(json.dumps(found), "utf-8")


def tests_of(modules: Sequence[str], tests: Sequence[str]) -> LineTests:
    """Return which tests come by each line of the modules.

    Raises:
        SystemExit: a test fails without any mutant.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        child = os.fork()
        if child == 0:
            with silent():
                measure(modules, tests, report)
            os._exit(0)
        os.waitpid(child, 0)
        if not report.exists():
            raise SystemExit(
                f"{', '.join(tests)}: fail, or do not run, without any mistake planted"
            )
        found = json.loads(report.read_text("utf-8"))
    return LineTests(
        {path: {int(line): tests for line, tests in lines.items()} for path, lines in found.items()}
    )


class _Planted(SourceFileLoader):
    """Imports one module with a mutant in it, and finds no other."""

    def __init__(self, mutant: Mutant):
        super().__init__(mutant.module, str(mutant.path))
        self._mutant = mutant

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, self._mutant.path, loader=self)

    def get_code(self, fullname: str) -> Any:
        return compile(self._mutant.tree(), str(self._mutant.path), "exec")


def start(mutant: Mutant, tests: Sequence[str]) -> int:
    """Run tests with a mutant in a process of its own, which ends with 0 if none notices it."""
    child = os.fork()
    if child == 0:
        with silent():
            resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
            # What is imported already would be run as it is.
            for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
                del sys.modules[name]
            sys.meta_path.insert(0, _Planted(mutant))
            code = 1
            with contextlib.suppress(BaseException):
                code = not passes(tests)
            os._exit(code)
    return child


def survivors(drawn: Sequence[Mutant], tests: LineTests, workers: int) -> int:
    """Print the mutants that no test notices, as they are found; return how many they are."""
    running: dict[int, Mutant] = {}
    lived = 0

    def tell(mutant: Mutant, reason: str) -> None:
        nonlocal lived
        lived += 1
        place = f"{mutant.path.relative_to(ROOT)}:{mutant.line}"
        print(f"{place}: {mutant.what}: {reason}", flush=True)

    def wait() -> None:
        child, status = os.wait()
        ended = running.pop(child)
        if status == 0:
            tell(ended, "no test notices it")

    for mutant in drawn:
        found = tests.of(str(mutant.path), mutant.line)
        if not found:
            tell(mutant, "no test runs it")
            continue
        if len(running) == workers:
            wait()
        running[start(mutant, found)] = mutant
    while running:
        wait()
    return lived


def noticed(target: str, wanted: int | None, workers: int) -> Figure:
    """Draw a target's mutants and try them; return the table's line."""
    modules, tests, usual = TARGETS[target]
    there = [mutant for name, path in files(modules) for mutant in mutants(name, path)]
    drawn = Random(target).sample(there, min(wanted or usual, len(there)))
    lived = survivors(drawn, tests_of(modules, tests), workers)
    share = 100 * (1 - lived / len(drawn))
    what = f"{target}: {len(drawn)} of {len(there)} mutants; noticed"
    return Figure(what, share, "%", ">=", ENOUGH)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="this one alone")
    parser.add_argument("--mutants", type=int, help="so many of each target")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="at once")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    for name in _LIBRARIES:
        importlib.import_module(name)
    figures = [
        noticed(target, chosen.mutants, chosen.workers)
        for target in TARGETS
        if chosen.target in (None, target)
    ]
    conclude("mistakes that a test notices", figures)


if __name__ == "__main__":
    main()
