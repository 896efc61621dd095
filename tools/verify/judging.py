"""Judge a model by a sample of its answers, and say what another processor may change."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tools.equivalence import decisive_numbers, differences
from tools.verify.results import IDENTICAL, Finding, different, equivalent
from tools.verify.weights import SUFFIX, same_form
from verdict.core.files import sha256_of

#: What a sample found, as JSON.
FOUND = "found.json"

#: What has to be the same to the letter.
_EXACT = (
    "group", "other_group", "label", "answer", "generated", "parsed", "invalid_reason", "predicted",
    "attributes", "prompt_sha256",
)  # fmt: skip
#: The columns of predictions that a model computes; the others come from the records.
_COMPUTED = ("generated", "parsed", "invalid_reason", "predicted", "log_probabilities")


def compare_rows(
    published: Mapping[str, Any], remade: Mapping[str, Any]
) -> tuple[float, list[str]]:
    """Return how far the log-probabilities lie apart at most, and what else is not equal."""
    problems = [
        f"{column} is {published.get(column)!r}, asked again {remade[column]!r}"
        for column in _EXACT
        if published.get(column) != remade[column]
    ]
    before, after = published.get("log_probabilities", []), remade["log_probabilities"]
    if len(before) != len(after):
        return 0.0, [*problems, f"{len(before)} log-probabilities, asked again {len(after)}"]
    apart = [abs(a - b) for a, b in zip(before, after, strict=True)]
    if any(map(math.isnan, apart)):
        return 0.0, [*problems, "a log-probability is no number"]
    return max(apart, default=0.0), problems


def judge_sample(found: Mapping[str, Any]) -> Finding:
    """Judge what :mod:`tools.verify.asking` found."""
    records, of, wrong = found["records"], found["of"], found["wrong"]
    share = "all records"
    if records < of:
        share = f"{records:,} of {of:,} records, drawn with seed {found['seed']}"
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return different(f"asked again about {share}: {wrong[0]}{more}")
    apart, tolerance = found["difference"], found["tolerance"]
    if apart > tolerance:
        return different(
            f"asked again about {share}: log-probabilities differ by {apart:.2g}, "
            f"tolerance {tolerance:g}"
        )
    if records == of and apart == 0:
        return IDENTICAL
    why = "the others were not asked about" if apart == 0 else "rounding of another processor"
    return equivalent(
        f"asked again about {share}: difference {apart:.2g}, tolerance {tolerance:g}; {why}"
    )


def judge_comparisons(published: Path, remade: Path) -> Finding:
    """Judge what a model computed otherwise by the comparison.json that followed from it."""
    try:
        committed, here = (json.loads(path.read_bytes()) for path in (published, remade))
        broken = differences(committed, here)
        stands = "" if broken else decisive_numbers(committed, here)
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        return different(f"no comparison can be read: {type(error).__name__}: {error}")
    return different("; ".join(broken)) if broken else equivalent(f"the verdict stands: {stands}")


def only_computed_differs(published: Path, remade: Path) -> bool:
    """Say whether nothing differs but what a model computes: its weights, or its answers."""
    if not published.exists():
        return False
    if published.is_dir():
        return only_weights_differ(published, remade)
    return published.suffix == ".parquet" and _only_answers_differ(published, remade)


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
        name.suffix == SUFFIX and same_form(before[name], after[name]) for name in others
    )
