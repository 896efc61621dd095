"""Small mistakes to plant in a module, as :mod:`benchmarks.mutation` does."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What each operator is taken for.
_OPERATORS: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
#: Types, decorators and how a text is set decide no result.
_SKIPPED = ("annotation", "returns", "decorator_list", "format_spec")


@dataclass(frozen=True)
class Mutant:
    """One mistake, by its place: the ``number``-th that there is in the module's file."""

    module: str
    path: Path
    number: int
    line: int
    what: str

    def tree(self) -> ast.Module:
        """Return the module's syntax with the mistake in it."""
        tree = ast.parse(self.path.read_text("utf-8"))
        for number, (parent, field, index, new, _) in enumerate(_places(tree)):
            if number == self.number:
                if index is None:
                    setattr(parent, field, new)
                else:
                    getattr(parent, field)[index] = new
                return ast.fix_missing_locations(tree)
        raise LookupError(f"{self.path} has no mutant {self.number}")


def mutants(module: str, path: Path) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(path.read_text("utf-8"))
    for number, (_, _, _, new, what) in enumerate(_places(tree)):
        yield Mutant(module, path, number, new.lineno, what)


#: What holds a piece of syntax, in which field, where in a list; the other; and both in words.
Place = tuple[ast.AST, str, int | None, Any, str]


def _places(node: ast.AST) -> Iterator[Place]:
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _skipped(child):
                continue
            for new in _changed(child):
                what = f"`{_shown(new)}` for `{_shown(child)}`"
                yield node, field, index, ast.copy_location(new, child), what
            # What a refusal says is no result.
            if not isinstance(child, ast.Raise):
                yield from _places(child)


def _skipped(node: ast.AST) -> bool:
    # Lengths that agree anyway.
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node).partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:59]}…"


def _changed(node: ast.AST) -> Iterator[Any]:
    """Yield what a piece of syntax may be taken for."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield ast.Compare(node.left, [_OPERATORS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS and not _is_text(node):
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(_OPERATORS[type(node.op)](), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.If | ast.IfExp) and isinstance(
        node.test, ast.Name | ast.Attribute | ast.Call
    ):
        rest = {name: value for name, value in ast.iter_fields(node) if name != "test"}
        yield type(node)(test=ast.UnaryOp(ast.Not(), node.test), **rest)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Raise):
        yield ast.Pass()
    elif isinstance(node, ast.Continue):
        yield ast.Break()


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
