"""How long is the book, and into how many rooms is it cut, then and now?

``make bench name=shape`` counts lines, modules, functions and circles of imports in the commit
before the rooms were divided anew and in this work tree, side by side.
"""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.parts.table import Figure, conclude
from testing.places import ROOT

#: Before the redesign.
EARLIER = "f9971af"
#: What the pipeline and the commands are made of; what verifies was once among the tools.
PROGRAM = ("verdict", "verify", "tools", "stages")
#: Lines of ``verdict``, ``verify`` and ``tools`` to stay below: a fifth fewer than 28,907.
LINES = 23_126
#: Modules that import one another, as files and as packages of ``verdict``.
_CIRCLES = """
import grimp, networkx
graph = grimp.build_graph("verdict", cache_dir=None)
for depth in (None, 2):
    names = lambda module: ".".join(module.split(".")[:depth])
    edges = [(names(a), names(b)) for a in graph.modules
             for b in graph.find_modules_directly_imported_by(a)]
    found = networkx.strongly_connected_components(networkx.DiGraph(edges))
    print(sum(len(circle) > 1 for circle in found))
"""


def measure(root: Path) -> dict[str, int]:
    """Return what is counted below a work tree, by its name."""
    modules = [path for name in PROGRAM for path in (root / name).rglob("*.py")]
    lengths = [_lines(path) for path in modules]
    command = [sys.executable, "-c", _CIRCLES]
    circles = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    files, packages = map(int, circles.stdout.split())
    text = [path for name in PROGRAM[:3] for path in _files(root / name)]
    return {
        "lines of dvc.yaml": _lines(root / "dvc.yaml"),
        "lines of README.md": _lines(root / "README.md"),
        "lines of all recipes": sum(map(_lines, (root / "recipes").rglob("*.yaml"))),
        "lines of verdict, verify and tools": sum(map(_lines, text)),
        "modules": len(modules),
        "of them under 60 lines": sum(length < 60 for length in lengths),
        "lines of the longest module": max(lengths),
        "lines of the longest function": max(n for path in modules for n in _functions(path)),
        "circles of files": files,
        "circles of packages": packages,
    }


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _functions(path: Path) -> Iterator[int]:
    yield 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.end_lineno - node.lineno + 1


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        archive = subprocess.run(
            ["git", "archive", EARLIER], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "--extract"], cwd=temporary, input=archive, check=True)
        then = measure(Path(temporary))
    targets = {
        "lines of dvc.yaml": 320,
        "lines of README.md": 150,
        "lines of all recipes": 1500,
        "lines of verdict, verify and tools": LINES,
        "lines of the longest module": 300,
        "lines of the longest function": 60,
        "circles of files": 0,
        "circles of packages": 0,
    }
    conclude(
        f"the shape of the code, at {EARLIER} and now",
        [
            figure
            for name, now in measure(ROOT).items()
            for figure in (
                Figure(f"{name}, then", then[name]),
                Figure(
                    f"{name}, now", now, "", "<=" if name in targets else None, targets.get(name)
                ),
            )
        ],
    )


if __name__ == "__main__":
    main()
