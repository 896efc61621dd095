"""What a fuzzer reads: sound inputs that are damaged by chance, the same for the same number.

No input is kept anywhere: an entry's name and a number make it again.
"""

import copy
import json
import struct
from collections.abc import Sequence
from random import Random
from typing import Any

#: Values that readers stumble over, wherever a value stands.
NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, 0.0, -0.0, 0.5, 1e308,
    5e-324, float("nan"), float("inf"), "", " ", "\0", "\n", "é", "e\u0301", "\u202e", "\ufeff",
    "😀", "\ud800", "a" * 300, "../x", "/etc/passwd", "~", "-", "=1+1", "2020-13-45", "0x1F",
    "1_000", "010", "no", "9" * 5000, "${x}", "$(x)", "<image>", [], {}, [[]], [None], {"": None},
    {"a": {"a": {"a": []}}},
)  # fmt: skip
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1)
#: Pieces of the formats that are text.
TOKENS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        '"', "'", ",", "\t", "\n", "\r", "\r\n", "\0", ":", ": ", "- ", "? ", "#", "{", "}", "[",
        "]", "[" * 3000, '{"a":' * 3000, "&a ", "*a", "<<: *a", "!!int ", "!!float ",
        "!!timestamp ", "!!binary ", "!!python/object:x ", "!x ", "|", ">", "%YAML 9.9\n", "---\n",
        "...\n", "null", "NaN", "-Infinity", "1e999", "9" * 5000, "\\u0000", "\\ud800", "\\x",
        "2020-13-45", "0o9", "1:60", ".inf", "\ufeff", "\u2028", "\x85", "\ud800", "é", "a" * 300,
        "../../x", "=", ";",
    )
)  # fmt: skip


def damaged(rng: Random, data: bytes, marks: Sequence[bytes] = ()) -> bytes:
    """Return bytes with one to six changes: flipped, cut, doubled, inserted, or overwritten.

    Args:
        marks: begin what is to be damaged most: headers, wherever they lie.
    """
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = _place(rng, content, marks)
        end = min(len(content), at + rng.choice((1, 2, 4, 16, 256)))
        # Half of the changes leave every other byte in its place.
        match rng.randrange(8) if rng.random() < 0.5 else rng.choice((0, 5)):
            case 0 if at < len(content):
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                del content[at:end]
            case 2:
                content[at:at] = content[at:end] * rng.choice((1, 2, 100))
            case 3:
                content[at:at] = rng.randbytes(rng.choice((1, 4, 40)))
            case 4:
                del content[at:]
            case 5:
                size, form = rng.choice(((1, "B"), (1, "B"), (2, "H"), (4, "I"), (8, "Q")))
                number = rng.choice(_NUMBERS) % 256**size
                content[at : at + size] = struct.pack(rng.choice("<>") + form, number)
            case 6:
                content[at:end] = rng.choice(TOKENS)
            case _:
                content[at:at] = rng.choice(TOKENS)
    return bytes(content)


def _place(rng: Random, content: bytearray, marks: Sequence[bytes]) -> int:
    """Return where to change: mostly at the beginning, at the end or in a header."""
    size = len(content) + 1
    found = content.find(rng.choice(marks), rng.randrange(size)) if marks else -1
    match rng.randrange(4):
        case 0:
            return rng.randrange(size)
        case 1 | 2 if found >= 0:
            return min(found + rng.randrange(48), size - 1)
        case 1:
            return rng.randrange(min(size, 64))
        case _:
            return size - 1 - rng.randrange(min(size, 1024))


def altered(rng: Random, value: Any) -> Any:
    """Return a structure with one to three of its values or keys replaced, taken out or doubled."""
    changed = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            return rng.choice(NASTY)
        holder, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[_key(rng)] = holder.pop(key)
            case 2:
                other, where = rng.choice(places)
                if _still(other, where):
                    holder[key] = copy.deepcopy(other[where])
            case 3 if isinstance(holder, list):
                holder.append(copy.deepcopy(rng.choice(NASTY)))
            case _:
                holder[key] = copy.deepcopy(rng.choice(NASTY))
    return changed


def as_json(rng: Random, value: Any) -> bytes:
    """Return a structure as JSON, altered, and in every fourth case damaged as well."""
    text = json.dumps(altered(rng, value), ensure_ascii=rng.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    return damaged(rng, data) if rng.random() < 0.25 else data


def words(rng: Random, longest: int = 12) -> str:
    """Return a text of words, numbers, signs, markup and characters of any script."""
    return "".join(_word(rng) for _ in range(rng.randrange(longest)))


def _word(rng: Random) -> str:
    match rng.randrange(6):
        case 0:
            return rng.choice(
                ("yes", "no", "No.", "not ", "Answer: ", "is", "A", "b", "HER2+", "1/8")
            )
        case 1:
            return rng.choice(" \t\n.,;!?():*_`\"'“”{}[]$\\#<>≤≥+-−%/&|^~’")
        case 2:
            return str(rng.choice(NASTY)).replace("\ud800", "")
        case 3:
            number = rng.randrange(0x110000)
            return "" if 0xD800 <= number < 0xE000 else chr(number)
        case 4:
            return chr(rng.randrange(32, 127)) * rng.choice((1, 2, 50))
        case _:
            return " "


def _key(rng: Random) -> Any:
    key = rng.choice(NASTY)
    return key if isinstance(key, str | int | float | bool | None) else ""


def _still(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(value: Any) -> Any:
    """Yield every place in a structure: what holds a value, and its key or position."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
