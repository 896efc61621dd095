"""How alike the two records of a pair are, attribute by attribute."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

Attributes = dict[str, str]
#: The two records of a pair.
Pair = tuple[Attributes, Attributes]

#: What is measured of an attribute that both records have, in this order.
MEASURES = ("Jaro-Winkler", "shared words", "equal", "nearness of numbers")

#: Of records that have an attribute, so that a colon in running text makes none.
COMMON = 0.01

#: An attribute in the form of DITTO (Li et al. 2020, PVLDB 14:50).
_DITTO = re.compile(r"COL (.*?) VAL (.*?)(?=\s*COL |$)", re.DOTALL)
#: An attribute on a line of its own, with or without the marks of a list or of bold type.
_LINE = re.compile(r"^[\s*#-]*([^:\n]{1,40}?)[\s*]*:[\s*]*(.*)$")
#: The name of what stands under no name.
_UNNAMED = ""


def attributes_of(text: str) -> Attributes:
    """Return a record's attributes by name: ``COL name VAL value …``, or ``name: value`` a line.

    Other lines go on with the attribute before them; a text of one attribute has no name. Case,
    accents and punctuation at the ends do not count; attributes without a value are left out.
    """
    if named := _DITTO.findall(text):
        found = [(name, value) for name, value in named]
    else:
        found = [(_UNNAMED, "")]
        for line in text.splitlines():
            if match := _LINE.match(line):
                found.append((match[1], match[2]))
            else:
                found[-1] = (found[-1][0], f"{found[-1][1]} {line}")
    attributes: Attributes = {}
    for name, value in found:
        name, value = _plain(name), _plain(value)
        if value:
            attributes[name] = f"{attributes[name]} {value}" if name in attributes else value
    return attributes


def names_of(pairs: Sequence[Pair]) -> list[str]:
    """Return the names of the attributes that a ``COMMON`` share of the records has, sorted."""
    held = Counter(name for pair in pairs for record in pair for name in record)
    return sorted(name for name, count in held.items() if count >= COMMON * 2 * len(pairs))


def similarities(pairs: Sequence[Pair], names: Sequence[str]) -> np.ndarray:
    """Return how alike the attributes are: (pairs, names, ``MEASURES``), each from 0 to 1.

    NaN where one of the records, or both, lack the attribute, and of numbers where a value is none.
    """
    found = np.full((len(pairs), len(names), len(MEASURES)), np.nan)
    for row, (left, right) in enumerate(pairs):
        for column, name in enumerate(names):
            if name in left and name in right:
                found[row, column] = _alike(left[name], right[name])
    return found


def vectors(found: np.ndarray) -> np.ndarray:
    """Return ``similarities`` as rows of numbers alone: 0 for what is missing, and that it is."""
    missing = np.isnan(found)
    flat = np.where(missing, 0.0, found).reshape(len(found), -1)
    absent = missing[..., [0, -1]].reshape(len(found), -1)
    return np.concatenate([flat, absent], axis=1)


def agreements(found: np.ndarray, threshold: float) -> np.ndarray:
    """Return (pairs, names): 0 where an attribute differs, 1 where it agrees, 2 where one lacks it.

    Two values agree from ``threshold`` on, by Jaro and Winkler's similarity.
    """
    alike = found[..., MEASURES.index("Jaro-Winkler")]
    return np.where(np.isnan(alike), 2, (alike >= threshold).astype(int))


def _alike(left: str, right: str) -> tuple[float, ...]:
    return (
        JaroWinkler.similarity(left, right),
        fuzz.token_set_ratio(left, right) / 100,
        float(left == right),
        _nearness(left, right),
    )


def _nearness(left: str, right: str) -> float:
    """Return 1 for equal numbers or dates, less the further apart they are; NaN for other texts."""
    for read in (_number, _day):
        values = read(left), read(right)
        if values[0] is not None and values[1] is not None:
            return 1 / (1 + abs(values[0] - values[1]))
    return np.nan


def _read(parse: Callable[[str], float], text: str) -> float | None:
    try:
        return parse(text)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    value = _read(float, text)
    return value if value is not None and np.isfinite(value) else None


def _day(text: str) -> float | None:
    """Return the years to a date (YYYY-MM-DD or YYYYMMDD)."""
    return _read(lambda day: date.fromisoformat(day).toordinal() / 365.25, text)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;*")
