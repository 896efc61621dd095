"""Split records by group, stratified by label; and say what a careless split would have leaked."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.params import Split
from verdict.records.shards import Record

SPLITS = ("train", "validation", "test")

#: Shares are rounded to this many folds at most: twentieths, so 0.8/0.1/0.1 and 0.65/0.1/0.25 fit.
MAX_FOLDS = 20

Assignment = dict[str, str]


def split_records(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> Assignment:
    """Assign each record's id to ``train``, ``validation`` or ``test``.

    Records that share a group, the same source bytes, or a listed duplicate pair stay together
    (connected components of these links). Folds are scikit-learn's ``StratifiedGroupKFold``.

    Raises:
        VerdictError: the shares are no twentieths, there are too few groups, or the split fails
            the gate (see ``check_split``).
    """
    n_folds, n_validation, n_test = _fold_counts(options)
    components = link(records, duplicates)
    if (n_groups := len(set(components))) < n_folds:
        raise VerdictError(
            f"{len(records)} records in {n_groups} independent groups cannot be split into "
            f"{n_folds} folds; use shares with a smaller denominator in split"
        )
    labels = [record.label or "" for record in records]
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=options.seed)
    fold_of = np.empty(len(records), dtype=int)
    for fold, (_, members) in enumerate(
        folds.split(np.zeros(len(records)), labels, groups=components)
    ):
        fold_of[members] = fold

    def name_of(fold: int) -> str:
        if fold < n_test:
            return "test"
        return "validation" if fold < n_test + n_validation else "train"

    assignment = {record.id: name_of(fold) for record, fold in zip(records, fold_of, strict=True)}
    check_split(records, duplicates, assignment)
    return assignment


def link(records: Sequence[Record], duplicates: Sequence[tuple[str, str]]) -> list[int]:
    """Return for each record the number of its component: records that must stay together."""
    index = {record.id: position for position, record in enumerate(records)}
    edges: list[tuple[int, int]] = [(index[a], index[b]) for a, b in duplicates]
    for attribute in ("group", "sha256"):
        first: dict[str, int] = {}
        for position, record in enumerate(records):
            value = getattr(record, attribute)
            if value is not None:
                edges.append((first.setdefault(value, position), position))
    rows, columns = np.array(edges).T if edges else np.zeros((2, 0), dtype=int)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(records), len(records)))
    return connected_components(graph, directed=False)[1].tolist()


def check_split(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], assignment: Assignment
) -> None:
    """The gate: nothing that belongs together crosses a split, and every split has every label.

    Raises:
        VerdictError: naming the first group, pair of identical images or duplicates that crosses.
    """
    for attribute, noun in (("group", "group"), ("sha256", "identical image")):
        seen: dict[str, Record] = {}
        for record in records:
            value = getattr(record, attribute)
            if value is None:
                continue
            other = seen.setdefault(value, record)
            if assignment[other.id] != assignment[record.id]:
                raise VerdictError(
                    f"{noun} {value} crosses splits: {other.id} is in {assignment[other.id]}, "
                    f"{record.id} in {assignment[record.id]}"
                )
    for first, second in duplicates:
        if assignment[first] != assignment[second]:
            raise VerdictError(
                f"duplicates {first} and {second} cross splits: {assignment[first]} and "
                f"{assignment[second]}"
            )
    labels = {record.label for record in records}
    for split in SPLITS:
        present = {record.label for record in records if assignment[record.id] == split}
        if missing := labels - present:
            raise VerdictError(
                f"the {split} split has no record with label {', '.join(map(str, missing))}; "
                "use more data, larger shares in split, or another split.seed"
            )


def describe_split(
    records: Sequence[Record],
    duplicates: Sequence[tuple[str, str]],
    assignment: Assignment,
    options: Split,
) -> dict[str, Any]:
    """Return counts for ``metrics/split.json``: sizes and shares, and the leak that was avoided."""
    result: dict[str, Any] = {}
    for split in SPLITS:
        members = [record for record in records if assignment[record.id] == split]
        counts = Counter(record.label for record in members)
        result[split] = {
            "records": len(members),
            "groups": len({record.group for record in members}),
            **{f"label_{label}": counts[label] for label in sorted(counts, key=str)},
            **{
                f"share_{label}": round(counts[label] / len(members), 6)
                for label in sorted(counts, key=str)
            },
        }
    result["image_level_split_would_leak"] = image_level_leak(records, duplicates, options)
    return result


def image_level_leak(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> dict[str, int]:
    """Count what crosses when single records are split, stratified by label, ignoring groups.

    This is what published notebooks do: the rows in the order of the table, first the training
    share, then the rest in two.
    """
    ids = [record.id for record in sorted(records, key=lambda record: record.row)]
    labels = {record.id: record.label or "" for record in records}
    train, rest = train_test_split(
        ids,
        test_size=options.validation + options.test,
        stratify=[labels[id_] for id_ in ids],
        random_state=options.seed,
    )
    validation, test = train_test_split(
        rest,
        test_size=options.test / (options.validation + options.test),
        stratify=[labels[id_] for id_ in rest],
        random_state=options.seed,
    )
    split_of = {
        id_: name
        for name, members in zip(SPLITS, (train, validation, test), strict=True)
        for id_ in members
    }
    group_of = {record.id: record.group for record in records}
    train_groups = {group_of[id_] for id_ in train}
    test_groups = {group_of[id_] for id_ in test}
    return {
        "test_groups": len(test_groups),
        "test_groups_also_in_training": len(test_groups & train_groups),
        "duplicate_pairs": len(duplicates),
        "duplicate_pairs_across_splits": sum(split_of[a] != split_of[b] for a, b in duplicates),
    }


def _fold_counts(options: Split) -> tuple[int, int, int]:
    """Return the number of folds in all, for validation, and for test."""
    for n_folds in range(2, MAX_FOLDS + 1):
        counts = [share * n_folds for share in (options.validation, options.test)]
        if all(round(count) >= 1 and abs(count - round(count)) < 1e-6 for count in counts):
            return n_folds, round(counts[0]), round(counts[1])
    nearest = Fraction(options.test).limit_denominator(MAX_FOLDS)
    raise VerdictError(
        f"split: validation {options.validation:g} and test {options.test:g} are not multiples of "
        f"one fold of at most {MAX_FOLDS}; use twentieths, such as {float(nearest):.2f} for test"
    )


def write_split(folder: Path, assignment: Assignment) -> None:
    """Write one sorted CSV of ids for each split."""
    with replacing(folder) as partial:
        partial.mkdir()
        for split in SPLITS:
            ids = sorted(id_ for id_, name in assignment.items() if name == split)
            (partial / f"{split}.csv").write_text("\n".join(["id", *ids]) + "\n", "utf-8")


def read_split(folder: Path) -> Assignment:
    """Read what ``write_split`` wrote.

    Raises:
        VerdictError: a file is missing, or an id stands in two splits.
    """
    assignment: Assignment = {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        try:
            header, *ids = path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise VerdictError(f"{path} is missing; run `dvc repro split` or `dvc pull`") from None
        if header != "id":
            raise VerdictError(f"{path}: the first line is {header!r}, expected 'id'")
        for id_ in ids:
            if (other := assignment.setdefault(id_, split)) != split:
                raise VerdictError(f"{path}: {id_} stands in {other}.csv too")
    return assignment
