"""Check that dvc.yaml lists the code that each stage's results depend on, and no other.

``python -m tools.dependencies`` prints what is missing or no longer imported, ready to paste.
DVC does not follow imports (dvc#9195): code left out makes a stage wrongly "up to date".

A stage lists its script and the rooms of ``verdict/`` that it imports, directly or not: a room is a
folder there, or a module beside them. Rooms that change no result are listed by none
(``tests/pipeline/test_rooms.py`` shows that they change none), so that an edit there runs nothing
again. Of a task, chosen in params.yaml, a stage lists the folder ``verdict/tasks/${task}``; one
that only makes or names its archive lists the ``archive`` in it.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grimp

from verdict.core.paths import PIPELINE_FILE
from verdict.core.yaml12 import load_yaml
from verdict.pipeline.command import command, parser_of

PACKAGES = ("stages", "verdict")
TASKS = "verdict.tasks"
#: Rooms that change no result: errors and progress, the schema, who does the work, the record of
#: runs, and how files are brought, which their checksums decide.
WITHOUT_EFFECT = frozenset(
    {"core", "engine", "params", "pipeline", "runtime", "sources", "tracking"}
)
_TASK = "verdict/tasks/${task}"
#: What a call of one of verdict.tasks' functions makes of a task a dependency.
LOADERS = {
    "load_task": _TASK,
    "read_raw": _TASK,
    "load_archive": f"{_TASK}/archive",
    "make_archive": f"{_TASK}/archive",
    "check_files": f"{_TASK}/archive",
}


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
        needed = rooms(graph, script.group(1), root)
        folders = tuple(f"{package}/" for package in PACKAGES)
        listed = {dep for dep in body.get("deps", []) if dep.startswith(folders)}
        if needed != listed:
            mismatches.append(Mismatch(stage, sorted(needed - listed), sorted(listed - needed)))
    return mismatches


def rooms(graph: grimp.ImportGraph, script: str, root: Path) -> set[str]:
    """Return a stage's script and the rooms that decide its results, as dvc.yaml lists them."""
    pending, seen, found = {script}, set[str](), {_path(script, root)}
    while pending:
        module = pending.pop()
        seen.add(module)
        imported = set(graph.find_modules_directly_imported_by(module))
        loaded = {LOADERS[name] for name in _calls(root / _path(module, root)) if name in LOADERS}
        # What a task imports is the stage's, too, whichever task it is.
        for task in graph.find_children(TASKS) if loaded else ():
            part = task if _TASK in loaded else f"{task}.archive"
            imported |= {part, *graph.find_descendants(part)}
        imported = {name for name in imported if _has_effect(name)}
        found |= loaded | {_room(name, root) for name in imported if not name.startswith(TASKS)}
        pending |= imported - seen
    return {room for room in found if not any(room.startswith(f"{other}/") for other in found)}


def _has_effect(module: str) -> bool:
    """Say whether a module may change a result; what one without effect imports does not either."""
    return module != TASKS and module.partition(".")[2].partition(".")[0] not in WITHOUT_EFFECT


def _room(module: str, root: Path) -> str:
    room = "/".join(module.split(".")[:2])
    return room if (root / room).is_dir() else _path(module, root)


def _path(module: str, root: Path) -> str:
    place = module.replace(".", "/")
    return f"{place}/__init__.py" if (root / place).is_dir() else f"{place}.py"


def _calls(path: Path) -> Iterator[str]:
    """Yield the names of the functions that a module calls."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            yield call.func.id


def main(arguments: Sequence[str] | None = None) -> None:
    parser_of("tools.dependencies", __doc__).parse_args(arguments)
    with command("dependencies"):
        mismatches = check()
        for mismatch in mismatches:
            for title, paths in (
                ("imports, but dvc.yaml does not list", mismatch.missing),
                ("no longer imports, but dvc.yaml lists", mismatch.stale),
            ):
                if paths:
                    print(f"{mismatch.stage} {title}:")
                    print("\n".join(f"      - {path}" for path in paths))
        if not mismatches:
            print("dvc.yaml lists exactly the code that each stage imports")
    if mismatches:
        sys.exit(1)


if __name__ == "__main__":
    main()
