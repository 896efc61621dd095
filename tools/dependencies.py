"""Check that dvc.yaml lists every project module that a stage's script imports, and no other.

``python -m tools.dependencies`` prints what is missing or no longer imported, ready to paste.
DVC does not follow imports (dvc#9195): a module left out makes a stage wrongly "up to date".

The task is chosen in params.yaml and stands in dvc.yaml as the folder ``verdict/tasks/${task}``;
what the tasks import outside of their folders is listed for all of them together. Other files in
an imported package, such as templates, belong to it.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import grimp

from verdict.core.yaml12 import load_yaml
from verdict.params.file import PIPELINE_FILE

PACKAGES = ("stages", "verdict")
TASKS = "verdict.tasks"
#: How dvc.yaml lists the task in use.
TASK_FOLDER = "verdict/tasks/${task}"


@dataclass(frozen=True)
class Mismatch:
    """A stage whose listed code differs from what it imports (paths relative to the root)."""

    stage: str
    missing: list[str]
    stale: list[str]


def check(root: Path = Path()) -> list[Mismatch]:
    """Return the stages of ``root``'s dvc.yaml whose listed code is not what they import."""
    pipeline = load_yaml((root / PIPELINE_FILE).read_bytes(), PIPELINE_FILE)
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    mismatches = []
    for stage, definition in pipeline["stages"].items():
        body = definition.get("do", definition)
        script = re.search(r"python -m (stages\.\w+)", body["cmd"])
        if script is None:
            continue
        modules = closure(graph, script.group(1), root)
        imported = {_listed_as(path) for path in modules | _data_files(modules, root)}
        folders = tuple(f"{package}/" for package in PACKAGES)
        listed = {dep for dep in body.get("deps", []) if dep.startswith(folders)}
        if imported != listed:
            mismatches.append(Mismatch(stage, sorted(imported - listed), sorted(listed - imported)))
    return mismatches


def closure(graph: grimp.ImportGraph, module: str, root: Path) -> set[str]:
    """Return the project files that importing ``module`` executes, those of every task included."""
    pending, seen = {module}, set[str]()
    while pending:
        current = pending.pop()
        seen.add(current)
        found = set(graph.find_modules_directly_imported_by(current))
        if _loads_tasks(_path(current, root)):
            found |= {name for name in graph.find_children(TASKS) if _is_package(name, root)}
        # Importing a.b.c executes the packages a and a.b as well.
        found |= {current.rsplit(".", count)[0] for count in range(1, current.count(".") + 1)}
        pending |= found - seen
    return {_path(name, root).relative_to(root).as_posix() for name in seen}


def _data_files(modules: set[str], root: Path) -> set[str]:
    """Return the files beside Python code in the packages among ``modules``."""
    return {
        path.relative_to(root).as_posix()
        for module in modules
        if module.endswith("/__init__.py")
        for path in (root / module).parent.rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and _package_of(path) == (root / module).parent
    }


def _package_of(path: Path) -> Path:
    """Return the innermost package that holds a file; templates may lie in folders of their own."""
    return next(folder for folder in path.parents if (folder / "__init__.py").is_file())


def _path(module: str, root: Path) -> Path:
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_package(module: str, root: Path) -> bool:
    return (root / module.replace(".", "/")).is_dir()


def _listed_as(path: str) -> str:
    """Return how dvc.yaml lists a file: those of a task by the folder of the task in use."""
    return re.sub(r"^verdict/tasks/[a-z0-9_]+/.*", TASK_FOLDER, path)


def _loads_tasks(path: Path) -> bool:
    """Say whether a module calls ``load_task``, which imports by a name from params.yaml."""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "load_task"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def main() -> None:
    mismatches = check()
    for mismatch in mismatches:
        for title, paths in (
            ("imports, but dvc.yaml does not list", mismatch.missing),
            ("no longer imports, but dvc.yaml lists", mismatch.stale),
        ):
            if paths:
                print(f"{mismatch.stage} {title}:")
                print("\n".join(f"      - {path}" for path in paths))
    if mismatches:
        sys.exit(1)
    print("dvc.yaml lists exactly the code that each stage imports")


if __name__ == "__main__":
    main()
