"""How much of the pipeline's code do the tests run, by lines and by branches?

``make bench name=branches`` runs the whole suite under coverage.py, with the processes that tests
start (DVC's stages in their clones, workers, trainers), and prints the files with most branches
that no test takes. It takes about twice the time of ``make test``. (``name=coverage`` is about
intervals.)

    python -m benchmarks.branches tests/records    these tests alone
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.parts.table import Figure, conclude
from testing.places import ROOT

ENOUGH = 90  # per cent
#: Files that are printed.
_SHOWN = 15


def measure(tests: list[str]) -> dict[str, Any]:
    """Run tests under coverage.py, as pyproject.toml says; return its report.

    Raises:
        SystemExit: a test failed, so that less was run than could be.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        # Processes in clones write there, too.
        variables = {**os.environ, "COVERAGE_FILE": str(Path(folder) / "data")}
        for command in (
            ("run", "-m", "pytest", *tests),
            ("combine", "--quiet"),
            ("json", "--quiet", "-o", str(report)),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "coverage", *command], cwd=ROOT, env=variables, check=False
            )
            if done.returncode:
                raise SystemExit(f"coverage {command[0]} ended with {done.returncode}")
        found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


def worst(files: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return files, the branches of each that no test takes, and all of them; the worst first."""
    counted = [
        (name, file["summary"]["missing_branches"], file["summary"]["num_branches"])
        for name, file in files.items()
    ]
    return sorted(counted, key=lambda row: -row[1])[:_SHOWN]


def share(covered: int, there: int) -> float:
    return 100 * covered / there if there else 100.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.branches", description=__doc__)
    parser.add_argument("tests", nargs="*", help="these alone")
    found = measure(parser.parse_args().tests)
    for name, missing, there in worst(found["files"]):
        print(f"{name}: {missing} of {there} branches are not taken")
    total = found["totals"]
    lines = share(total["covered_lines"], total["num_statements"])
    branches = share(total["covered_branches"], total["num_branches"])
    conclude(
        "what tests run of verdict/ and stages/",
        [
            Figure(f"lines, of {total['num_statements']:,}", lines, "%", ">=", ENOUGH),
            Figure(f"branches, of {total['num_branches']:,}", branches, "%", ">=", ENOUGH),
        ],
    )


if __name__ == "__main__":
    main()
