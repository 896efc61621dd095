"""The file of a comparison's numbers, ``metrics/report/comparison.json``, as the nested model.

The file is flat, so that each number has one name for people, trackers and other tools.
``Comparison.flat`` makes the names; here they are looked up, by the models and the kind of task
that the file has.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from verdict.comparison.decision_results import decisions_from
from verdict.comparison.model import Comparison, Outside, pairs_of
from verdict.comparison.results import (
    AT_THRESHOLD,
    BASELINES,
    MERGED,
    MINUS,
    MINUS_TEST,
    OUTSIDE,
    REPLICATED,
    SECONDARY,
    THRESHOLD,
    Difference,
    Entries,
    Estimate,
    Estimates,
    Replicated,
    Subgroup,
    Threshold,
    Thresholds,
    Verdict,
)
from verdict.core.errors import VerdictError
from verdict.statistics.kinds import KINDS, Kind


def read_comparison(path: Path) -> Comparison:
    """Read the numbers of a comparison as the compare stage leaves them.

    Raises:
        VerdictError: the file is missing or not what the compare stage writes.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here yet: `dvc repro` writes it") from None
    except ValueError as error:
        raise VerdictError(f"{path} is not JSON ({error}): `dvc repro compare` mends it") from None
    if not isinstance(values, dict) or not {"verdict", "kind", "models"} <= values.keys():
        raise VerdictError(f"{path} holds no verdict: `dvc repro compare` writes one")
    try:
        return _from_json(values)
    except KeyError as missing:
        key = missing.args[0]
        raise VerdictError(f"{path} has no {key}: `dvc repro compare` writes it anew") from None


def _from_json(values: Entries) -> Comparison:
    kind = replace(KINDS[values["kind"]], thinking=values.get("thinking", False))
    candidate, baseline = values["candidate"], values["baseline"]
    trained = {name: values[f"{name}.kind"] for name in values.get("trained_baselines", ())}
    models, replicates = [*values["models"], *trained], values["replicates"]
    judged = REPLICATED if replicates else candidate
    pairs = [(judged, other) for other in (baseline, *trained)] if replicates else []
    single = [name for name in models if name not in replicates]
    merged = _behind(MERGED, values)
    sets = {name: _behind(f"{OUTSIDE}.{name}", values) for name in values.get(OUTSIDE, ())}
    return Comparison(
        verdict=Verdict(values["verdict"], tuple(values.get("remarks", ()))),
        warnings=tuple(values["warnings"]),
        kind=kind,
        candidate=candidate,
        baseline=baseline,
        replicates=tuple(replicates),
        labels=tuple(values["labels"]),
        positive=values["positive"],
        records=values["records"],
        groups=values["groups"],
        noun=values["groups_are"],
        linked=values["linked"],
        synthetic=values["synthetic"],
        resamples=values["resamples"],
        confidence=values["confidence"],
        models={name: _estimates(values, name, kind.metrics) for name in models},
        thresholds=_thresholds(values, models, kind),
        replicated=_replicated(values, kind) if replicates else None,
        trained=trained,
        baselines={
            name: {m: values[f"{name}.{m}"] for m in kind.metrics if f"{name}.{m}" in values}
            for name in BASELINES
            if f"{name}.{kind.decisive}" in values
        },
        differences=[
            _difference(values, pair, kind)
            for pair in (*pairs, *pairs_of(single, candidate, baseline))
        ],
        over_majority=_estimate(values, f"{judged}{MINUS}majority.{kind.against_majority}"),
        subgroups=[_subgroup(part, models, kind) for part in values["subgroups"]],
        merged=_from_json(merged | {"subgroups": []}) if merged else None,
        outside={
            name: Outside(
                _from_json(found),
                {
                    model: _estimates(found, f"{model}.{MINUS_TEST}", kind.shown("differences"))
                    for model in (*models, *([REPLICATED] if replicates else []))
                },
            )
            for name, found in sets.items()
        },
        decisions=decisions_from(values["decisions"]) if "decisions" in values else None,
    )


def _behind(prefix: str, values: Entries) -> Entries:
    """Return what is known of a part of the file, by keys without their prefix."""
    begin = f"{prefix}."
    return {k.removeprefix(begin): v for k, v in values.items() if k.startswith(begin)}


def _estimate(values: Entries, name: str) -> Estimate:
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    return Estimate(values[name], low, high, values.get(f"{name}_undefined", 0))


def _estimates(values: Entries, name: str, metrics: Sequence[str]) -> Estimates:
    return {metric: _estimate(values, f"{name}.{metric}") for metric in metrics}


def _thresholds(values: Entries, models: Sequence[str], kind: Kind) -> Thresholds | None:
    if f"{THRESHOLD}.sensitivity" not in values:
        return None
    names = [name for name in models if f"{name}.{THRESHOLD}" in values]
    return Thresholds(
        sensitivity=values[f"{THRESHOLD}.sensitivity"],
        records=values[f"{THRESHOLD}.validation_records"],
        positives=values[f"{THRESHOLD}.validation_positives"],
        models={
            name: Threshold(
                values[f"{name}.{THRESHOLD}"],
                values[f"{name}.validation_sensitivity"],
                _estimates(values, f"{name}.{AT_THRESHOLD}", kind.shown("threshold")),
            )
            for name in names
        },
    )


def _replicated(values: Entries, kind: Kind) -> Replicated:
    deviations = {name: values[f"{REPLICATED}.{name}_sd"] for name in kind.metrics}
    return Replicated(_estimates(values, REPLICATED, kind.metrics), deviations)


def _difference(values: Entries, pair: tuple[str, str], kind: Kind) -> Difference:
    name = f"{pair[0]}{MINUS}{pair[1]}"
    return Difference(
        *pair,
        metrics=_estimates(values, name, kind.shown("differences")),
        p=values[f"{name}.{kind.decisive}_p"],
        p_holm=values[f"{name}.{kind.decisive}_p_holm"],
        secondary={test: values[key] for test in SECONDARY if (key := f"{name}.{test}") in values},
    )


def _subgroup(part: Entries, models: Sequence[str], kind: Kind) -> Subgroup:
    return Subgroup(
        part["attribute"],
        part["value"],
        part["n"],
        part["groups"],
        part.get("positives"),
        {name: _estimates(part, name, kind.shown("subgroups")) for name in models},
    )
