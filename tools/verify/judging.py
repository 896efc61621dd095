"""Judge a model by its answers: those of a sample, or those of an adapter that was trained anew."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.verify.results import IDENTICAL, Finding, different, equivalent
from tools.verify.weights import SUFFIX, same_form
from verdict.files import sha256_of

#: What a sample found, as JSON.
FOUND = "found.json"

#: What has to be the same to the letter.
_EXACT = (
    "group", "other_group", "label", "answer", "generated", "parsed", "invalid_reason", "predicted",
    "attributes", "prompt_sha256",
)  # fmt: skip


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


def judge_answers(
    model: str, metrics: Mapping[str, Any], numbers: Mapping[str, Any], weights: str
) -> Finding:
    """Judge an adapter with other weights by whether its metrics lie in the published intervals.

    Args:
        metrics: as in ``metrics/NAME.json``, of the adapter that was trained anew.
        numbers: as in ``metrics/report/comparison.json``, as published.
        weights: how the weights differ.
    """
    inside = []
    for metric, value in metrics.items():
        low, high = (numbers.get(f"{model}.{metric}_{end}") for end in ("low", "high"))
        if value is None or low is None or high is None:
            continue
        said = f"{metric} {value:g}, published interval {low:g} to {high:g}"
        if not low <= value <= high:
            return different(f"{weights}; trained anew, outside: {said}")
        inside.append(said)
    if not inside:
        return different(f"{weights}; no metric has an interval to judge by")
    return equivalent(f"{weights}; trained anew, {len(inside)} metrics inside: {inside[0]} …")
