"""Compare what was made again with what was published: byte by byte, then number by number."""

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.core.files import sha256_of
from verify.binaries import WEIGHTS, compare_images, compare_weights, same_form
from verify.equivalence import STATISTICS, Bound, Tolerance
from verify.findings import IDENTICAL, Finding, different, equivalent, some, worst

#: Numbers that were computed; whole numbers are counts and names, and have to be equal. So have the
#: digits of a hash or a version.
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)(?!\w|\.\d)", re.ASCII
)
#: The columns of predictions that a model computes; the others come from the records.
_COMPUTED = ("generated", "parsed", "invalid_reason", "predicted", "log_probabilities")

#: A place in JSON: the keys of objects, and the positions in lists, from the outermost on.
Place = tuple[str | int, ...]


class _Absent:
    """What one of two files has, and the other has not; equal to nothing that JSON can say."""


_ABSENT = _Absent()


class _Seen:
    """How far numbers lay apart that are within their bounds."""

    def __init__(self, tolerance: Tolerance):
        self._tolerance = tolerance
        self._largest: tuple[float, Bound] | None = None

    def note(self, apart: float, bound: Bound) -> None:
        """Remember the difference that comes nearest to its bound."""
        share = apart / bound.value
        if self._largest is None or share > self._largest[0] / self._largest[1].value:
            self._largest = apart, bound

    def finding(self, otherwise: str) -> Finding:
        """Return that the files are equivalent; ``otherwise`` says why where all are equal."""
        if self._largest is None:
            return equivalent(otherwise)
        apart, bound = self._largest
        return equivalent(f"difference {bound.said(apart)}: {self._tolerance.why}")


def compare(published: Path, remade: Path, tolerance: Tolerance = STATISTICS) -> Finding:
    """Compare two files, or two folders file by file; both have to exist."""
    if published.is_dir() != remade.is_dir():
        return different("is a file at one time and a folder at the other")
    if published.is_dir():
        return _compare_folders(published, remade, tolerance)
    if published.read_bytes() == remade.read_bytes():
        return IDENTICAL
    match published.suffix:
        case ".png":
            return compare_images(published, remade)
        case ".safetensors":
            return compare_weights(published, remade)
        case ".json":
            return _compare_json(published, remade, tolerance)
        case ".parquet":
            return _compare_parquet(published, remade, tolerance)
    return _compare_text(published, remade, tolerance)


def _compare_folders(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    names = {
        path.relative_to(folder).as_posix()
        for folder in (published, remade)
        for path in folder.rglob("*")
        if path.is_file()
    }
    findings = []
    for name in sorted(names):
        before, after = published / name, remade / name
        if not before.exists():
            finding = different("was not published")
        elif not after.exists():
            finding = different("was not made")
        else:
            finding = compare(before, after, tolerance)
        if finding != IDENTICAL:
            findings.append(Finding(finding.status, f"{name}: {finding.detail}"))
    return worst(findings)


def _compare_json(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        before, after = (
            _flat(json.loads(path.read_bytes(), object_pairs_hook=_once))
            for path in (published, remade)
        )
    except (ValueError, RecursionError) as error:
        return different(f"cannot be read as JSON: {error}")
    seen, wrong = _Seen(tolerance), []
    for place in dict.fromkeys([*before, *after]):
        old, new = before.get(place, _ABSENT), after.get(place, _ABSENT)
        if old == new and type(old) is type(new):
            continue
        if isinstance(old, float) and isinstance(new, float):
            bound = tolerance.of(_name(place))
            apart = bound.apart(old, new)
            if bound.allows(apart):
                seen.note(apart, bound)
                continue
        said = ".".join(map(str, place)) or "all of it"
        wrong.append(f"{said} is {_short(old)}, made again {_short(new)}")
    if wrong:
        return different(some(wrong))
    return seen.finding("the same values, laid out anew")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is there twice: readers disagree about which one counts."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"{key} is there twice")
        values[key] = value
    return values


def _flat(value: Any, place: Place = ()) -> dict[Place, Any]:
    """Return the values by their places.

    A key may hold any character: joined to one text, two places could not be told apart.
    """
    if not isinstance(value, dict | list) or not value:
        return {place: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    flat: dict[Place, Any] = {}
    for name, child in items:
        flat |= _flat(child, (*place, name))
    return flat


def _name(place: Place) -> str:
    """Return the innermost key of a place."""
    return next((part for part in reversed(place) if isinstance(part, str)), "")


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _compare_text(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        # Not as text: line ends would then be made equal.
        before, after = (path.read_bytes().decode().split("\n") for path in (published, remade))
    except UnicodeDecodeError:
        sizes = published.stat().st_size, remade.stat().st_size
        return different(f"other bytes; {sizes[0]:,} of them, made again {sizes[1]:,}")
    if len(before) != len(after):
        return different(f"{len(before):,} lines, made again {len(after):,}")
    columns = before[0].split(",") if published.suffix == ".csv" else []
    seen = _Seen(tolerance)
    for number, (line, other) in enumerate(zip(before, after, strict=True), 1):
        for name, old, new in _cells(columns, line, other):
            if old == new:
                continue
            if _NUMBER.split(old) != _NUMBER.split(new):
                return different(f"line {number} is other text")
            bound = tolerance.of(name)
            for a, b in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
                apart = bound.apart(float(a), float(b))
                if not bound.allows(apart):
                    what = f"{name} differs" if name else "numbers differ"
                    return different(f"line {number}: {what} by {bound.said(apart)}")
                seen.note(apart, bound)
    return seen.finding("the same numbers, written otherwise")


def _cells(columns: list[str], old: str, new: str) -> Iterable[tuple[str, str, str]]:
    """Return a line's cells, each with its column; of other text the whole line, with no name."""
    before, after = old.split(","), new.split(",")
    if len(before) == len(after) == len(columns):
        return zip(columns, before, after, strict=True)
    return [("", old, new)]


def _compare_parquet(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        before, after = (pq.read_table(path, partitioning=None) for path in (published, remade))
    except (pa.ArrowInvalid, OSError) as error:
        return different(f"not readable: {error}")
    if (before.schema.metadata or {}) != (after.schema.metadata or {}):
        return different(_metadata(before.schema.metadata or {}, after.schema.metadata or {}))
    if before.schema != after.schema or before.num_rows != after.num_rows:
        return different(
            f"{before.num_rows:,} rows of {before.num_columns} columns, "
            f"made again {after.num_rows:,} of {after.num_columns}"
        )
    seen = _Seen(tolerance)
    for name in before.column_names:
        old, new = before[name].combine_chunks(), after[name].combine_chunks()
        if old.equals(new):
            continue
        rows = [i for i in range(len(old)) if old[i] != new[i]]
        if not pa.types.is_list(old.type) or not pa.types.is_floating(old.type.value_type):
            return different(f"{name} of {len(rows):,} rows, the first is {_id(before, rows[0])}")
        bound = tolerance.of(name)
        for row in rows:
            apart = _apart(old[row].as_py(), new[row].as_py(), bound)
            if not bound.allows(apart):
                return different(f"{name} of {_id(before, row)} differs by {bound.said(apart)}")
            seen.note(apart, bound)
    return seen.finding("same rows, stored otherwise")


def _metadata(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> str:
    """Name the first entry of a file's metadata that differs, with what it says."""
    key = next(key for key in [*before, *after] if before.get(key) != after.get(key))
    old, new = (one.get(key, b"absent").decode("utf-8", "replace") for one in (before, after))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    said = (_short(text[max(0, start - 20) :]) for text in (old, new))
    return f"its metadata {key.decode('utf-8', 'replace')}: {', made again '.join(said)}"


def _id(table: pa.Table, row: int) -> str:
    return table["id"][row].as_py() if "id" in table.column_names else f"row {row + 1}"


def _apart(old: list[float | None] | None, new: list[float | None] | None, bound: Bound) -> float:
    """Return how far two lists lie apart at most; infinitely where one has what is no number."""
    if old is None or new is None or len(old) != len(new):
        return math.inf
    apart = [
        math.inf if a is None or b is None else bound.apart(a, b)
        for a, b in zip(old, new, strict=True)
        if a != b
    ]
    return max((math.inf if math.isnan(one) else one for one in apart), default=0.0)


def only_computed_differs(published: Path, remade: Path) -> bool:
    """Say whether nothing differs but what a model computes: its weights, or its answers."""
    if not published.exists():
        return False
    if published.is_dir():
        return only_weights_differ(published, remade) or _only_answers_in(published, remade)
    return published.suffix == ".parquet" and _only_answers_differ(published, remade)


def _only_answers_in(published: Path, remade: Path) -> bool:
    """Say whether two folders hold predictions of the same models, equal but for the answers."""
    names = [{path.name for path in folder.iterdir()} for folder in (published, remade)]
    return names[0] == names[1] and all(
        _only_answers_differ(published / name, remade / name) for name in names[0]
    )


def _only_answers_differ(published: Path, remade: Path) -> bool:
    try:
        before, after = (pq.read_table(path, partitioning=None) for path in (published, remade))
    except (pa.ArrowInvalid, OSError):
        return False
    if not before.schema.equals(after.schema, check_metadata=True):
        return False
    return bool(before.drop_columns(_COMPUTED).equals(after.drop_columns(_COMPUTED)))


def only_weights_differ(published: Path, remade: Path) -> bool:
    """Say whether two folders hold the same files, equal but for the values of weights."""
    before, after = (
        {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        for folder in (published, remade)
    )
    if before.keys() != after.keys():
        return False
    others = {name for name in before if sha256_of(before[name]) != sha256_of(after[name])}
    return bool(others) and all(
        name.suffix == WEIGHTS and same_form(before[name], after[name]) for name in others
    )
