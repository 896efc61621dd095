"""Write the table of all faults with their tests into SECURITY.md: ``python -m tests.faults``.

A test is in it by ``@pytest.mark.fault(kind)``, or by ``pytestmark`` of its module; its name says
what is tried and what comes of it.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
SECURITY = TESTS.parent / "SECURITY.md"
BEGIN = "<!-- Made by `python -m tests.faults` from the tests' marks; edit those. -->\n"
END = "<!-- Here ends what is made. -->\n"


def faults() -> Iterator[tuple[str, str, str]]:
    """Yield the kind of each fault, the file of its test, and the test's name as a sentence."""
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text("utf-8"))
        marks = [
            node.value
            for node in module.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        ]
        common = _kind(marks)
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                kind = _kind(node.decorator_list) or common
                if kind:
                    name = node.name.removeprefix("test_").replace("_s_", "’s ").replace("_", " ")
                    yield kind, path.relative_to(TESTS.parent).as_posix(), name


def _kind(marks: list[ast.expr]) -> str | None:
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
            return str(ast.literal_eval(mark.args[0]))
    return None


def table() -> str:
    """Return the table, one row for each kind of fault and file."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, path, name in faults():
        rows[kind, path].append(name)
    lines = [
        f"| {kind} | {'; '.join(names)} | `{path}` |"
        for (kind, path), names in sorted(rows.items())
    ]
    return "\n".join(
        ("| kind | what is tried, and what comes of it | tests |", "|---|---|---|", *lines)
    )


def written(text: str) -> str:
    """Return SECURITY.md with the table as it has to be."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    SECURITY.write_text(written(SECURITY.read_text("utf-8")), "utf-8")
