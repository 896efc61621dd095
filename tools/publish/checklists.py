"""Checklists of reporting guidelines, filled in as far as a run knows; the rest is the author's.

``checklists.yaml`` has the items, in words of our own, and what is said to each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from verdict.comparison.cautions import crossing_warning
from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.core.paths import (
    ADAPTER,
    COMPARISON,
    EXTRACT_METRICS,
    PREFLIGHT_METRICS,
    PROVENANCE_FILE,
    SPLIT_METRICS,
    TRAIN_METRICS,
)
from verdict.core.yaml12 import load_yaml
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.report.card import sees_images
from verdict.report.terms import Used
from verdict.splitting.assignment import SPLITS
from verdict.statistics.formats import format_percent
from verdict.summary.wording import (
    markdown_table,
    metric_title,
    said_of_sets,
    whole_groups,
    with_interval,
)
from verdict.tasks import load_task

#: What stands where the pipeline knows nothing.
AUTHOR = "**for the author**"
_ITEMS = Path(__file__).with_name("checklists.yaml")
_HEADER = """\
# Reporting checklists

Filled in by `python -m tools.publish --pack` as far as the run of commit {commit} knows.
{answered} of {total} items have an answer; the others are for the author. What an item asks for is
said here in a few words of our own: the guideline's own wording counts. *page* is
`metrics/report/index.html`, *card* is `model_card.md`.
"""


def checklists_text(root: Path, params: Params, used: Sequence[Used], commit: str) -> str:
    """Return all three checklists as Markdown."""
    known = load_yaml(_ITEMS.read_bytes(), _ITEMS)
    facts = collect_facts(root, params, used, commit)
    answers = {name: _filled(answer, facts) for name, answer in known["answers"].items()}
    tables, answered, total = [], 0, 0
    for checklist in known["checklists"]:
        rows = [_row(item, answers) for item in checklist["items"]]
        answered += sum(row[2] != AUTHOR for row in rows)
        total += len(rows)
        head = ("item", "asks for", "answer", "where")
        table = markdown_table(head, rows, texts=(0, 1, 2, 3))
        tables.append(f"## {checklist['title']}\n\nSource: {checklist['source']}\n\n{table}\n")
    header = _HEADER.format(commit=commit[:12], answered=answered, total=total)
    return "\n".join([header, *tables])


def _row(item: Sequence[str], answers: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Return an item's row, with the first of its answers that the run knows."""
    number, asked, *names = item
    known = [answers[name] for name in names if answers[name][0] != AUTHOR]
    return (number, asked, *(known[0] if known else (AUTHOR, "")))


def _filled(answer: Mapping[str, str], facts: Mapping[str, str]) -> tuple[str, str]:
    """Return an answer and where it stands, if all its facts are known."""
    needed = [field for _, field, _, _ in Formatter().parse(answer["say"]) if field]
    if not all(facts[name] for name in needed):
        return AUTHOR, ""
    return answer["say"].format_map(facts), answer["where"]


def collect_facts(root: Path, params: Params, used: Sequence[Used], commit: str) -> dict[str, str]:
    """Return what a run says of itself, each fact as words; empty where it does not know."""
    comparison = read_comparison(root / COMPARISON)
    extract, split, trained, preflight, origin = (
        json.loads((root / path).read_text(encoding="utf-8"))
        for path in (
            EXTRACT_METRICS,
            SPLIT_METRICS,
            TRAIN_METRICS,
            PREFLIGHT_METRICS,
            ADAPTER / PROVENANCE_FILE,
        )
    )
    return {
        **comparison_facts(comparison),
        **_data_facts(split, comparison.noun),
        **_training_facts(params, trained, origin),
        "data": used[0].sentence + ".",
        "preparation": _preparation(params) if sees_images(preflight) else "",
        "rejected": f"{extract['rejected']:,}",
        "limits": " ".join(load_task(params.task).LIMITS),
        "open": ". ".join(one.sentence for one in used) + ".",
        "commit": commit[:12],
    }


def comparison_facts(comparison: Comparison) -> dict[str, str]:
    """Return what the numbers say."""
    decisive, tuned = comparison.kind.decisive, comparison.models[comparison.candidate]
    shown = comparison.kind.shown("table")
    estimates = []
    for metric in shown:
        found = tuned.get(metric)
        if found and found.value is not None:
            estimates.append(f"{metric_title(metric, comparison.noun)} {with_interval(found)}")
    thresholds, invalid = comparison.thresholds, tuned["invalid_rate"].value
    return {
        "candidate": comparison.candidate,
        "baseline": comparison.baseline,
        "decisive": metric_title(decisive, comparison.noun),
        "verdict": comparison.verdict.sentence,
        "output": (
            f"A probability of each label ({', '.join(comparison.labels)}); the likeliest counts."
            if comparison.labels
            else "Free text."
        ),
        "threshold": (
            f"The likeliest label; beside it the threshold that reaches a sensitivity of "
            f"{thresholds.sensitivity:g} on the validation split, set before the test split was "
            "looked at."
            if thresholds
            else ""
        ),
        "measures": ", ".join(metric_title(metric, comparison.noun) for metric in shown),
        "confidence": format_percent(comparison.confidence),
        "resamples": f"{comparison.resamples:,}",
        "drawn": whole_groups(comparison.noun, linked=comparison.linked),
        "invalid": "" if invalid is None else f"{100 * invalid:.1f} %",
        "subgroups": ", ".join(dict.fromkeys(one.attribute for one in comparison.subgroups)),
        "trainings": str(comparison.trainings) if comparison.replicates else "",
        "estimates": f"{comparison.candidate}: {', '.join(estimates)}." if estimates else "",
        "external": " ".join(_outside_facts(comparison)),
        **_decision_facts(comparison),
    }


def _outside_facts(comparison: Comparison) -> Iterator[str]:
    for (name, said), found in zip(
        said_of_sets(comparison), comparison.outside.values(), strict=True
    ):
        there = found.comparison
        yield f"On {name}, {there.records:,} records of {there.groups:,} {there.noun}: {said}"


def _decision_facts(comparison: Comparison) -> dict[str, str]:
    decisions, name = comparison.decisions, comparison.candidate
    model = decisions.recalibration.get(name) if decisions else None
    recalibration = ""
    if model:
        chosen = model.methods[model.chosen]
        recalibration = (
            f"On the validation split the map `{model.chosen}` was chosen for {name}; Brier score "
            f"on test {with_interval(chosen.brier)}, change {with_interval(chosen.change)}."
        )
    gaps = [
        f"{metric_title(gap.metric, comparison.noun)} by {gap.attribute} "
        f"{with_interval(gap.difference)} ({gap.highest} over {gap.lowest})"
        for gap in (decisions.gaps if decisions else ())
        if gap.model == name and gap.by == "likeliest"
    ]
    return {"recalibration": recalibration, "gaps": "; ".join(gaps)}


def _data_facts(split: Mapping[str, Any], noun: str) -> dict[str, str]:
    sizes = [f"{name} {split[name]['records']:,} of {split[name]['groups']:,}" for name in SPLITS]
    labels = [
        f"{name} "
        + ", ".join(
            f"{key.removeprefix('label_')} {count:,}"
            for key, count in split[name].items()
            if key.startswith("label_")
        )
        for name in SPLITS
    ]
    disjoint = ""
    if "crosses_splits" in split:
        overlap = crossing_warning(split, noun)
        disjoint = f"{overlap}." if overlap else f"By {noun}: none is in two splits."
    return {
        "splits": f"Records of {noun}: {', '.join(sizes)}.",
        "labels": "; ".join(labels) if any("label_" in key for key in split["test"]) else "",
        "disjoint": disjoint,
    }


def _training_facts(
    params: Params, trained: Mapping[str, Any], origin: Mapping[str, Any]
) -> dict[str, str]:
    base, train = origin["base"], params.train
    name = "a tiny model made by this project" if base["name"] == EMBEDDED else base["name"]
    revision = f" at revision {base['revision']}" if base["revision"] else ""
    way = "LoRA adapters" if train.method == "lora" else "all weights"
    rate = f"learning rate {train.learning_rate:g} ({train.lr_scheduler_type})"
    best = "the step with the lowest validation loss" if train.load_best_model_at_end else ""
    return {
        "base": f"{name}{revision}",
        "seed": str(train.seed),
        "model": (
            f"{name}{revision}, {way}: {trained['trainable_parameters']:,} of its parameters "
            "learned."
        ),
        "training": f"{trained['steps']:,} steps on {trained['rows']:,} records, {rate}.",
        "selection": f"The weights of {best or 'the last step'}; no choice was made on test.",
        "imbalance": train.class_imbalance.replace("_", " "),
        "versions": ", ".join(f"{key} {value}" for key, value in origin["versions"].items()),
    }


def _preparation(params: Params) -> str:
    """Return how images become records."""
    options = params.extract
    return (
        f"Images decoded, resized to {options.size} × {options.size} pixels ({options.fit}, "
        f"{options.resample}) and stored as {options.format}."
    )
