"""Compare what was made again with what was published: byte by byte, then number by number."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tools.verify.results import IDENTICAL, Finding, different, equivalent, worst

#: Numbers that were computed; whole numbers are counts and names, and have to be equal.
_NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
_NAMED = 3  # differences in a message
#: Of a figure so many pixels may differ: lines and edges fall on other pixels elsewhere.
_PIXELS = 0.02
#: … but each, of 255, by no more than this from the pixel itself or one that touches it.
_SHADES = 32


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may lie apart, in absolute terms, and why they may at all."""

    value: float
    why: str


#: Of numbers computed from the same predictions; they are published with six decimals.
STATISTICS = Tolerance(2e-6, "sums in another order on another processor")


def compare(published: Path, remade: Path, tolerance: Tolerance = STATISTICS) -> Finding:
    """Compare two files, or two folders file by file; both have to exist."""
    if published.is_dir() or remade.is_dir():
        return _compare_folders(published, remade, tolerance)
    if published.read_bytes() == remade.read_bytes():
        return IDENTICAL
    by_suffix: dict[str, Callable[[Path, Path, Tolerance], Finding]] = {
        ".json": _compare_json,
        ".parquet": _compare_parquet,
        ".png": _compare_images,
        ".safetensors": _compare_weights,
    }
    return by_suffix.get(published.suffix, _compare_text)(published, remade, tolerance)


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


def _numbers(largest: float, tolerance: Tolerance) -> Finding:
    if largest > tolerance.value:
        return different(f"numbers differ by {largest:.2g}, tolerance {tolerance.value:g}")
    return equivalent(f"difference {largest:.2g}, tolerance {tolerance.value:g}: {tolerance.why}")


def _compare_json(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        before, after = (
            _flat(json.loads(path.read_bytes(), object_pairs_hook=_once))
            for path in (published, remade)
        )
    except ValueError as error:
        return different(f"cannot be read as JSON: {error}")
    largest, wrong = 0.0, []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, "absent"), after.get(key, "absent")
        if isinstance(old, float) and isinstance(new, float):
            largest = max(largest, abs(old - new))
            if abs(old - new) <= tolerance.value:
                continue
        if old != new or type(old) is not type(new):
            wrong.append(f"{key} is {_short(old)}, made again {_short(new)}")
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        return different(", ".join(wrong[:_NAMED]) + more)
    return _numbers(largest, tolerance) if largest else equivalent("the same values, laid out anew")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is there twice: readers disagree about which one counts."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"{key} is there twice")
        values[key] = value
    return values


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict | list) or not value:
        return {path or "all of it": value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    flat: dict[str, Any] = {}
    for name, child in items:
        flat |= _flat(child, f"{path}.{name}" if path else str(name))
    return flat


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _compare_text(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        before, after = (path.read_text("utf-8").split("\n") for path in (published, remade))
    except UnicodeDecodeError:
        sizes = published.stat().st_size, remade.stat().st_size
        return different(f"other bytes; {sizes[0]:,} of them, made again {sizes[1]:,}")
    if len(before) != len(after):
        return different(f"{len(before):,} lines, made again {len(after):,}")
    largest = 0.0
    for number, (old, new) in enumerate(zip(before, after, strict=True), 1):
        if old == new:
            continue
        if _NUMBER.split(old) != _NUMBER.split(new):
            return different(f"line {number} is other text")
        pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
        apart = max(abs(float(a) - float(b)) for a, b in pairs)
        if apart > tolerance.value:
            return different(f"line {number}: numbers differ by {apart:.2g}")
        largest = max(largest, apart)
    return _numbers(largest, tolerance)


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
    largest = 0.0
    for name in before.column_names:
        old, new = before[name].combine_chunks(), after[name].combine_chunks()
        if old.equals(new):
            continue
        rows = [i for i in range(len(old)) if old[i] != new[i]]
        if not pa.types.is_list(old.type) or not pa.types.is_floating(old.type.value_type):
            return different(f"{name} of {len(rows):,} rows, the first is {_id(before, rows[0])}")
        apart = [_apart(old[i].as_py(), new[i].as_py()) for i in rows]
        largest = max(largest, *apart)
        if max(apart) > tolerance.value:
            worst_row = rows[apart.index(max(apart))]
            return different(
                f"{name} of {_id(before, worst_row)} differs by {max(apart):.2g}, "
                f"tolerance {tolerance.value:g}"
            )
    return _numbers(largest, tolerance) if largest else equivalent("same rows, stored otherwise")


def _metadata(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> str:
    """Name the first entry of a file's metadata that differs, with what it says."""
    key = next(key for key in [*before, *after] if before.get(key) != after.get(key))
    old, new = (one.get(key, b"absent").decode("utf-8", "replace") for one in (before, after))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    said = (_short(text[max(0, start - 20) :]) for text in (old, new))
    return f"its metadata {key.decode('utf-8', 'replace')}: {', made again '.join(said)}"


def _id(table: pa.Table, row: int) -> str:
    return table["id"][row].as_py() if "id" in table.column_names else f"row {row + 1}"


def _apart(old: list[float], new: list[float]) -> float:
    if len(old) != len(new):
        return float("inf")
    return float(np.abs(np.subtract(old, new)).max(initial=0.0))


def _compare_images(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    try:
        before, after = (
            np.asarray(Image.open(path).convert("RGBA")).astype(np.int16)
            for path in (published, remade)
        )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return different(f"cannot be read as an image: {error}")
    if before.shape != after.shape:
        return different(
            f"{before.shape[1]} × {before.shape[0]} pixels, made again "
            f"{after.shape[1]} × {after.shape[0]}"
        )
    elsewhere = _beyond(before, after) | _beyond(after, before)
    if elsewhere.any():
        y, x = np.argwhere(elsewhere)[0]
        return different(f"{int(elsewhere.sum()):,} pixels show something else, from {x}, {y} on")
    share = float((before != after).any(axis=-1).mean())
    said = f"{100 * share:.2g} % of the pixels differ, tolerance {100 * _PIXELS:g} %"
    return different(said) if share > _PIXELS else equivalent(f"{said}: edges drawn otherwise")


def _beyond(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Say of which pixels (height, width) no such colour is in the other, at or beside them."""
    # Only now: it takes a second to import, and equal figures need none of it.
    from scipy.ndimage import maximum_filter, minimum_filter

    around = (3, 3, 1)
    low, high = minimum_filter(other, around), maximum_filter(other, around)
    return ((image < low - _SHADES) | (image > high + _SHADES)).any(axis=-1)


def _compare_weights(published: Path, remade: Path, tolerance: Tolerance) -> Finding:
    # Only now: torch takes seconds to import, and weights are rarely made again.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        before, after = load_file(published), load_file(remade)
    except SafetensorError as error:
        return different(f"cannot be read as weights: {error}")
    if {n: w.shape for n, w in before.items()} != {n: w.shape for n, w in after.items()}:
        return different("other names or shapes of weights")
    apart = {name: float((before[name] - after[name]).abs().max()) for name in before}
    name = max(apart, key=lambda key: apart[key])
    count = sum(int((before[key] != after[key]).sum()) for key in before)
    return (
        different(f"{count:,} weights, {name} by {apart[name]:.2g} at most")
        if count
        else (equivalent("the same weights, stored otherwise"))
    )
