"""The gate behind a split: nothing crosses; and what a careless split would have leaked."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sklearn.model_selection import train_test_split

from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.shards import Record
from verdict.splitting.assignment import SPLITS, Assignment, Division


def check_split(
    records: Sequence[Record],
    duplicates: Sequence[tuple[str, str]],
    assignment: Assignment,
    *,
    may_cross: bool = False,
    complete: Sequence[str] = SPLITS,
) -> None:
    """Let a split pass where nothing that belongs together crosses, and no label is missing.

    Args:
        assignment: the split by id; records without one are left out.
        may_cross: look at the labels alone (``split.crossing: keep``).
        complete: the splits that need a record of every label.

    Raises:
        VerdictError: naming the first group, pair of identical sources or duplicates that
            crosses, or the label that a split lacks.
    """
    present = [record for record in records if record.id in assignment]
    if not may_cross:
        _check_crossing(present, duplicates, assignment)
    labels = {record.label for record in present}
    for split in complete:
        held = {record.label for record in present if assignment[record.id] == split}
        if missing := labels - held:
            counts = Counter(str(record.label) for record in present if record.label in missing)
            names = ", ".join(f"{label} ({counts[label]} in all)" for label in sorted(counts))
            raise VerdictError(
                f"the {split} split has no record"
                + (f" with label {names}" if missing != {None} else "")
                + "; use more data, larger shares in split, or another split.seed"
            )


def _check_crossing(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], assignment: Assignment
) -> None:
    seen: dict[tuple[str, str], Record] = {}
    for record in records:
        source = "identical image" if record.has_image else "identical text"
        keys = [("group", group) for group in record.groups]
        for noun, value in [*keys, *((source, sha256) for sha256 in record.sources)]:
            other = seen.setdefault((noun, value), record)
            if assignment[other.id] != assignment[record.id]:
                raise VerdictError(
                    f"{noun} {value} crosses splits: {other.id} is in {assignment[other.id]}, "
                    f"{record.id} in {assignment[record.id]}"
                )
    for first, second in duplicates:
        if {first, second} <= assignment.keys() and assignment[first] != assignment[second]:
            raise VerdictError(
                f"duplicates {first} and {second} cross splits: {assignment[first]} and "
                f"{assignment[second]}"
            )


def describe_split(
    records: Sequence[Record],
    duplicates: Sequence[tuple[str, str]],
    division: Division,
    options: Split,
) -> dict[str, Any]:
    """Return counts for ``metrics/split.json``: sizes and shares, and the leak that was avoided."""
    result: dict[str, Any] = {}
    for split in SPLITS:
        members = [record for record in records if division.assignment.get(record.id) == split]
        counts = Counter(record.label for record in members if record.label is not None)
        result[split] = {
            "records": len(members),
            "groups": len({group for record in members for group in record.groups}),
            **{f"label_{label}": counts[label] for label in sorted(counts)},
            **{
                f"share_{label}": round(counts[label] / len(members), 6) for label in sorted(counts)
            },
        }
    result["crosses_splits"] = _crossing_counts(records, duplicates, division.assignment)
    if division.left_out:
        result["left_out"] = {"records": len(division.left_out)}
    if options.source == "published":
        result["published_splits_divide"] = {
            "groups": len(division.crossing),
            "names": division.crossing[:20],
        }
        if division.left_out and any(record.label is not None for record in records):
            result["published_shares"] = _published_shares(records)
    else:
        result["image_level_split_would_leak"] = image_level_leak(records, duplicates, options)
    return result


def _published_shares(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return each label's share of the records that the authors put into each of their splits."""
    labels = sorted({record.label for record in records if record.label is not None})
    counts = {name: Counter(r.label for r in records if r.split == name) for name in SPLITS}
    return {
        name: {label: round(own[label] / own.total(), 6) for label in labels}
        for name, own in counts.items()
        if own
    }


def _crossing_counts(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], assignment: Assignment
) -> dict[str, int]:
    """Count what the splits share.

    Groups in more than one split; those of them in the test split; records of the test split whose
    image or text is in another one, too; and pairs of duplicates in two splits.
    """
    present = [record for record in records if record.id in assignment]
    splits_of: dict[str, set[str]] = defaultdict(set)
    splits_with: dict[str, set[str]] = defaultdict(set)
    for record in present:
        for group in record.groups:
            splits_of[group].add(assignment[record.id])
        for sha256 in record.sources:
            splits_with[sha256].add(assignment[record.id])
    crossing = [splits for splits in splits_of.values() if len(splits) > 1]
    return {
        "groups": len(crossing),
        "test_groups": sum("test" in splits for splits in crossing),
        "identical": sum(
            assignment[record.id] == "test"
            and any(len(splits_with[sha256]) > 1 for sha256 in record.sources)
            for record in present
        ),
        "duplicate_pairs": sum(
            {a, b} <= assignment.keys() and assignment[a] != assignment[b] for a, b in duplicates
        ),
    }


def image_level_leak(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> dict[str, int]:
    """Count what crosses when single records are split, stratified by label, ignoring groups.

    This is what published notebooks do: the rows in the order of the table, first the training
    share, then the rest in two. Where a label has too few records, it is not stratified.
    """
    ids = [record.id for record in sorted(records, key=lambda record: record.row)]
    labels = {record.id: record.label or "" for record in records}
    train, rest = _drawn(ids, labels, options.validation + options.test, options.seed)
    last = options.test / (options.validation + options.test)
    validation, test = _drawn(rest, labels, last, options.seed)
    split_of = {
        id_: name
        for name, members in zip(SPLITS, (train, validation, test), strict=True)
        for id_ in members
    }
    groups_of = {record.id: set(record.groups) for record in records}
    train_groups = set().union(*(groups_of[id_] for id_ in train))
    test_groups = set().union(*(groups_of[id_] for id_ in test))
    return {
        "test_groups": len(test_groups),
        "test_groups_also_in_training": len(test_groups & train_groups),
        "duplicate_pairs": len(duplicates),
        "duplicate_pairs_across_splits": sum(split_of[a] != split_of[b] for a, b in duplicates),
    }


def _drawn(
    ids: Sequence[str], labels: dict[str, str], share: float, seed: int
) -> tuple[list[str], list[str]]:
    def draw(stratify: list[str] | None) -> tuple[list[str], list[str]]:
        first, second = train_test_split(ids, test_size=share, stratify=stratify, random_state=seed)
        return first, second

    try:
        return draw([labels[id_] for id_ in ids])
    except ValueError:  # one record of a label, or fewer records in a part than labels
        return draw(None)
