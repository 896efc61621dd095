"""Change entries in the text of a params file, so that all other comments stay as they are."""

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode


def with_entry(text: str, key: str, entry: str) -> str:
    """Return ``text`` with the entry at a dotted key replaced.

    Args:
        text: a params file in block style.
        key: such as ``fetch.files``.
        entry: ``name: value`` lines without indentation. If it begins with a comment, that takes
            the place of the comment lines right above the old entry; otherwise these stay.
    """
    name, value = _find(YAML(typ="safe", pure=True).compose(text), key.split("."))
    lines = text.splitlines()
    first, end = name.start_mark.line, _last_line(lines, name, value) + 1
    indent = " " * name.start_mark.column
    if entry.startswith("#"):
        while lines[first - 1].startswith(f"{indent}#"):
            first -= 1
    lines[first:end] = [indent + line if line else "" for line in entry.splitlines()]
    return "\n".join(lines) + "\n"


def with_header(text: str, header: str) -> str:
    """Return ``text`` with the comment at its very top replaced."""
    return header.rstrip("\n") + "\n\n" + text.partition("\n\n")[2]


def _find(node: Node | None, parts: list[str]) -> tuple[Node, Node]:
    assert isinstance(node, MappingNode)
    name, value = next((name, value) for name, value in node.value if name.value == parts[0])
    return _find(value, parts[1:]) if len(parts) > 1 else (name, value)


def _last_line(lines: list[str], name: Node, value: Node) -> int:
    """Return the number of the entry's last line, from 0, without comments that follow it."""
    if isinstance(value, ScalarNode) and value.style not in ("|", ">"):
        return value.end_mark.line
    if isinstance(value, CollectionNode) and value.flow_style:
        return value.end_mark.line
    # What is more indented belongs to a block, and so do a block list's dashes.
    last = name.start_mark.line
    for number in range(name.start_mark.line + 1, len(lines)):
        line = lines[number]
        content = line.lstrip()
        indent = len(line) - len(content)
        if content and indent <= name.start_mark.column and not content.startswith("- "):
            break
        if content and not (content.startswith("#") and isinstance(value, CollectionNode)):
            last = number
    return last
