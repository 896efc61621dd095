"""YAML with its comments: values and comments by key, so that one file can be laid over another."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import LiteralScalarString
from ruamel.yaml.tokens import CommentToken

from verdict.core.errors import VerdictError
from verdict.core.yaml12 import load_yaml

#: What ruamel counts as the end of a line.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNBROKEN = 10_000  # characters in a line of values: an address is not broken


@dataclass(frozen=True)
class Layer:
    """What a file says.

    Attributes:
        values: the mapping, of ruamel's types, which know how a scalar was written.
        header: the comment at the very top, up to the first blank line.
        above: the lines above a key, without ``#``, by the dotted key; a blank line is empty.
        behind: the comment behind its value, without ``#``.
    """

    values: Mapping[str, Any]
    header: str = ""
    above: Mapping[str, Sequence[str]] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)


def read_layer(path: Path) -> Layer:
    """Read a file of keys and comments.

    Raises:
        VerdictError: it is not there, no valid YAML, or no mapping.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here; run this from the project's root folder") from None
    return _parsed(content, path)


@lru_cache(maxsize=32)
def _parsed(content: bytes, path: Path) -> Layer:
    if not isinstance(load_yaml(content, path), dict):
        raise VerdictError(f"{path} is empty or not a mapping; write key: value lines into it")
    text = content.decode("utf-8")
    lines = _BREAK.split(text)
    start = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    if lines[start]:
        start = 0  # no blank line: the comment is that of the first key
    above: dict[str, list[str]] = {}
    behind: dict[str, str] = {}
    for key, name, value in _entries(YAML(typ="safe", pure=True).compose(text)):
        if comment := _lines_above(lines[start:], name.start_mark.line - start):
            above[key] = comment
        if rest := _rest(lines, name, value):
            behind[key] = rest
    return Layer(_round_trip().load(text), "\n".join(lines[:start]), above, behind)


def text_of(layer: Layer) -> str:
    """Return the YAML text of a layer, with its comments, and a blank line before each section."""
    stream = io.StringIO()
    _round_trip().dump(_commented(layer.values, layer, ""), stream)
    return f"{layer.header}\n\n{stream.getvalue().lstrip()}"


def inner(parent: str, name: object) -> str:
    """Return the dotted key of an entry; ``parent``: that of its section, empty at the top."""
    return f"{parent}.{name}" if parent else str(name)


def keys_of(values: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key, dotted, and its value; those of sections before those within them."""
    for name, value in values.items():
        key = inner(parent, name)
        yield key, value
        if isinstance(value, dict):
            yield from keys_of(value, key)


def plain(value: Any) -> Any:
    """Return a value of ruamel's types as one of Python's own."""
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _entries(node: Node, parent: str = "") -> Iterator[tuple[str, Node, Node]]:
    """Yield the dotted key of each entry with the nodes of its name and its value."""
    for name, value in node.value if isinstance(node, MappingNode) else ():
        key = inner(parent, name.value)
        yield key, name, value
        yield from _entries(value, key)


def _lines_above(lines: Sequence[str], end: int) -> list[str]:
    """Return the comment right above a line, with the blank line before it."""
    start = end
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    if start < end and start > 0 and not lines[start - 1].strip():
        start -= 1
    return [line.strip().removeprefix("#").removeprefix(" ") for line in lines[start:end]]


def _rest(lines: Sequence[str], name: Node, value: Node) -> str:
    """Return the comment behind a key, or behind its value on the same line; empty without one."""
    block = isinstance(value, CollectionNode) and not value.flow_style
    end = name.end_mark if block or value.end_mark.column == 0 else value.end_mark
    rest = lines[end.line][end.column :].lstrip(": ")
    return rest.removeprefix("#").strip() if rest.startswith("#") else ""


def _commented(value: Any, layer: Layer, key: str) -> Any:
    """Return a value as ruamel writes it with the layer's comments; ``key``: where it stands.

    Lists are in brackets, unless they were read from lines; mappings where they were read so, and
    have no comment inside. A text of several lines has a block of its own.
    """
    in_brackets = isinstance(value, CommentedMap | CommentedSeq) and value.fa.flow_style()
    if isinstance(value, list):
        items = CommentedSeq(value)
        if in_brackets or not value or not isinstance(value, CommentedSeq):
            items.fa.set_flow_style()
        return items
    if not isinstance(value, dict):
        is_plain = type(value) is str and "\n" in value
        return LiteralScalarString(value) if is_plain else value
    section = CommentedMap()
    inside = f"{key}."
    if not value or (in_brackets and not any(other.startswith(inside) for other in layer.above)):
        section.fa.set_flow_style()
    for name, part in value.items():
        place = inner(key, name)
        comment = layer.above.get(place, ())
        if not key and section and (not comment or comment[0]):
            comment = ["", *comment]
        section[name] = _commented(part, layer, place)
        if comment:
            text = "\n".join(comment) + "\n"
            section.yaml_set_comment_before_after_key(name, text, 2 * place.count("."))
        if place in layer.behind:
            # ruamel's own method leaves one space before the mark.
            token = CommentToken(f" # {layer.behind[place]}\n", CommentMark(0), None)
            section.ca.items.setdefault(name, [None] * 4)[2] = token
    return section


class _Representer(RoundTripRepresenter):
    """Writes ``null``, where ruamel would leave the place empty."""


_Representer.add_representer(
    type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def _round_trip() -> Any:
    """Return ruamel's reader and writer, which keep quotes, and how a number is written."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = _UNBROKEN
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
