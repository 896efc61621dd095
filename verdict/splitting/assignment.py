"""Split records by group, stratified by label; or as their authors split them, made safe."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from verdict.core.errors import VerdictError
from verdict.params.data import Split
from verdict.records.shards import Record
from verdict.splitting.linking import Units, link

SPLITS = ("train", "validation", "test")

#: Shares are rounded to this many folds at most: twentieths, so 0.8/0.1/0.1 and 0.65/0.1/0.25 fit.
MAX_FOLDS = 20

Assignment = dict[str, str]


@dataclass(frozen=True)
class Division:
    """Which split each record is in.

    Attributes:
        assignment: the split by the record's id; without those that are left out.
        left_out: the reason by the record's id.
        crossing: names of groups that the published splits divide, whatever was done about them.
    """

    assignment: Assignment
    left_out: dict[str, str] = field(default_factory=dict)
    crossing: list[str] = field(default_factory=list)


def split_records(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> Division:
    """Assign each record to ``train``, ``validation`` or ``test``, or leave it out.

    With ``source: shares`` units (see ``link``) are drawn by scikit-learn's
    ``StratifiedGroupKFold``; with ``published`` the authors' splits stand, and one that they have
    not is cut from training (validation) or from validation (test), by unit again. What would
    cross splits stops the work, is left out, or is kept, by ``crossing``. The order of the records
    has no effect.

    Raises:
        VerdictError: something crosses, the shares are no twentieths, there are too few groups or
            records of a label, or a record has no published split.
    """
    records = sorted(records, key=lambda record: record.id)
    if options.source == "shares":
        return _by_shares(records, duplicates, options)
    return _as_published(records, duplicates, options)


def _by_shares(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> Division:
    units = link(records, duplicates, pairs_link=options.crossing == "fail")
    folds, n_validation, n_test = _fold_counts(options)
    fold_of = _folds(records, units, folds, options.seed)

    def name_of(fold: int) -> str:
        if fold < n_test:
            return "test"
        return "validation" if fold < n_test + n_validation else "train"

    assignment, left_out = {}, {}
    for record, own in zip(records, units, strict=True):
        names = [name_of(fold_of[unit]) for unit in own]
        if len(set(names)) == 1:
            assignment[record.id] = names[0]
        else:
            left_out[record.id] = f"links a group of {names[0]} and one of {names[1]}"
    return Division(assignment, left_out)


def _as_published(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], options: Split
) -> Division:
    published = {record.id: _published(record) for record in records}
    units = link(records, duplicates, pairs_link=False)
    last: dict[int, int] = {}  # the last of SPLITS that each unit stands in
    for record, own in zip(records, units, strict=True):
        for unit in own:
            last[unit] = max(last.get(unit, 0), SPLITS.index(published[record.id]))
    assignment: Assignment = {}
    left_out: dict[str, str] = {}
    crossing: set[str] = set()
    for record, own in zip(records, units, strict=True):
        split = published[record.id]
        # A record of two groups has a unit for each, or one for both.
        elsewhere = {
            group: SPLITS[last[unit]]
            for group, unit in zip(record.groups, own, strict=False)
            if SPLITS[last[unit]] != split
        }
        if elsewhere:
            crossing |= elsewhere.keys()
            if options.crossing == "leave_out":
                group, furthest = max(elsewhere.items(), key=lambda item: SPLITS.index(item[1]))
                left_out[record.id] = f"of {split}, but its group {group} is in {furthest}"
                continue
        assignment[record.id] = split
    if crossing and options.crossing == "fail":
        names = sorted(crossing)
        raise VerdictError(
            f"the published splits divide {len(names)} groups ({', '.join(names[:3])}"
            f"{', …' if len(names) > 3 else ''}): a model would be tested on what it was trained "
            "on. Set split.crossing to leave_out (records of training give way to those of "
            "test), or to keep, to repeat the published numbers"
        )
    by_id = dict(zip((record.id for record in records), units, strict=True))
    for wanted, source in (("validation", "train"), ("test", "validation")):
        if wanted not in assignment.values():
            members = [record for record in records if assignment.get(record.id) == source]
            moved, torn = _cut(members, by_id, wanted, source, options)
            assignment |= moved
            left_out |= torn
    for name in left_out:
        assignment.pop(name, None)
    return Division(assignment, left_out, sorted(crossing))


def _published(record: Record) -> str:
    if record.split not in SPLITS:
        raise VerdictError(f"record {record.id} has no published split; set split.source to shares")
    return record.split


def _cut(
    members: Sequence[Record], units: dict[str, Units], wanted: str, source: str, options: Split
) -> tuple[Assignment, dict[str, str]]:
    """Return which members of the split ``source`` go to ``wanted``, so that shares are kept.

    And those that link a group that goes and one that stays, with the reason to leave them out.
    """
    if not members:
        raise VerdictError(
            f"the published splits have neither {wanted} nor {source}, from which it would be cut; "
            "set split.source to shares"
        )
    share = getattr(options, wanted) / (getattr(options, wanted) + getattr(options, source))
    part = Fraction(share).limit_denominator(MAX_FOLDS)
    own = [units[record.id] for record in members]
    fold_of = _folds(members, own, part.denominator, options.seed)
    goes = [{fold_of[unit] < part.numerator for unit in its} for its in own]
    ids = [record.id for record in members]
    return (
        {name: wanted for name, its in zip(ids, goes, strict=True) if its == {True}},
        {
            name: f"links a group of {wanted} and one of {source}"
            for name, its in zip(ids, goes, strict=True)
            if len(its) == 2
        },
    )


def _folds(
    records: Sequence[Record], units: Sequence[Units], n_folds: int, seed: int
) -> dict[int, int]:
    """Return the fold of each unit; the labels' shares are about equal in all folds."""
    rows = [
        (record.label or "", unit)
        for record, own in zip(records, units, strict=True)
        for unit in own
    ]
    labels, groups = zip(*rows, strict=True) if rows else ((), ())
    if (count := len(set(groups))) < n_folds:
        raise VerdictError(
            f"{len(records)} records in {count} independent groups cannot be split into "
            f"{n_folds} folds; larger shares of validation and test in split make fewer folds, or "
            "bring more groups"
        )
    commonest, most = Counter(labels).most_common(1)[0]
    if most < n_folds:
        raise VerdictError(
            f"no label has a record for each of {n_folds} folds: the commonest, {commonest}, has "
            f"{most}; use more data, or shares with a smaller denominator in split"
        )
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    result: dict[int, int] = {}
    with warnings.catch_warnings():
        # Of a rare label, which the gate names where a split then lacks it.
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, members) in enumerate(
            folds.split(np.zeros(len(rows)), labels, groups=groups)
        ):
            result |= {groups[member]: fold for member in members}
    return result


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
