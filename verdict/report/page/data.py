"""Where the records come from and how they were divided: counts, rejections, shares, leaks."""

from dataclasses import dataclass
from typing import Any

from verdict.comparison.cautions import crossing_warning
from verdict.report.page.sources import Sources
from verdict.splitting.assignment import SPLITS
from verdict.splitting.balance import balance_warning
from verdict.summary.wording import shown

#: Rejected records that are listed; the rest stands in metrics/extract.json.
LISTED = 20

_KNOWN = frozenset({"records", "groups", "shards", "rejected", "rejections"})


@dataclass(frozen=True)
class SplitStory:
    """One split."""

    name: str
    records: int
    groups: int
    #: Of each label its records, and their share of the split's, from 0 to 1.
    shares: list[tuple[int, float]]


@dataclass(frozen=True)
class DataStory:
    """All that the page says about the data."""

    records: int
    groups: int
    rejected: int
    #: (id, reason), at most ``LISTED``.
    rejections: list[tuple[str, str]]
    splits: list[SplitStory]
    left_out: int
    #: Sentences on what crosses splits elsewhere and does not here.
    leaks: list[str]
    #: Further counts that the task found worth telling.
    findings: list[tuple[str, str]]


def data_story(sources: Sources) -> DataStory:
    """Read the story from ``metrics/extract.json`` and ``metrics/split.json``."""
    extract, split = sources.metrics("extract"), sources.metrics("split")
    return DataStory(
        records=extract["records"],
        groups=extract["groups"],
        rejected=extract["rejected"],
        rejections=[(r["id"], r["reason"]) for r in extract["rejections"][:LISTED]],
        splits=[_split(name, split[name], sources) for name in SPLITS],
        left_out=split.get("left_out", {}).get("records", 0),
        leaks=_leaks(split, sources.comparison.noun),
        findings=[(shown(key), _told(v)) for key, v in extract.items() if key not in _KNOWN],
    )


def _split(name: str, counts: dict[str, Any], sources: Sources) -> SplitStory:
    records = counts["records"]
    held = [counts.get(f"label_{label}", 0) for label in sources.comparison.labels]
    shares = [(count, count / records if records else 0.0) for count in held]
    return SplitStory(name, records, counts["groups"], shares)


def nothing_crosses(split: dict[str, Any]) -> bool:
    """Say whether it was counted what the splits share, and nothing was found."""
    counts = split.get("crosses_splits")
    return counts is not None and not any(counts.values())


def _leaks(split: dict[str, Any], noun: str) -> list[str]:
    sentences, apart = [], nothing_crosses(split)
    if overlap := crossing_warning(split, noun):
        sentences.append(f"{overlap}.")
    if leak := split.get("image_level_split_would_leak"):
        crossing, groups = leak["test_groups_also_in_training"], leak["test_groups"]
        sentences.append(
            f"Splitting single records, as published notebooks do, would have put {crossing:,} of "
            f"the {groups:,} {noun} of its test split ({_percent(crossing, groups)}) into training "
            "as well."
            + (f" Here whole {noun} are divided, so none is in two splits." if apart else "")
        )
        if pairs := leak["duplicate_pairs"]:
            sentences.append(
                f"It would also have divided {leak['duplicate_pairs_across_splits']:,} of "
                f"{pairs:,} known pairs of duplicates"
                + ("; here none is divided." if apart else ".")
            )
    if published := split.get("published_splits_divide"):
        if published["groups"]:
            sentences.append(
                f"The published splits put {published['groups']:,} {noun} into more than one "
                "split; metrics/split.json names the first of them."
            )
        else:
            sentences.append(f"The published splits divide none of the {noun}.")
    if balance := balance_warning(split):
        sentences.append(f"{balance}.")
    return sentences


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _told(value: Any) -> str:
    """Return a finding as text: a number, a few names, or named numbers."""
    if isinstance(value, dict):
        return (
            ", ".join(f"{shown(str(key))} {_told(item)}" for key, item in value.items()) or "none"
        )
    if isinstance(value, list):
        more = f" … ({len(value):,} in all)" if len(value) > LISTED else ""
        return (", ".join(_told(item) for item in value[:LISTED]) or "none") + more
    return f"{value:,}" if isinstance(value, int) else str(value)
