"""A test set from elsewhere as records of the task, and what is asked about after the gate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from verdict.conversations import read_conversations
from verdict.core.errors import VerdictError
from verdict.core.paths import RECORDS, SPLITS, places_of_set
from verdict.outside.leakage import Leak, find_leaks
from verdict.params.evaluation import Outside
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import Record, read_records
from verdict.splitting.files import read_split

#: Records that a message names.
_SHOWN = 3


def table_of(name: str, table: RawTable, options: Outside, answers: Mapping[str, str]) -> RawTable:
    """Return a set's table with ids that no record of the task has, and the task's labels.

    Groups keep their names where they are the task's own (``same_groups``); else a patient 7 here
    is not the patient 7 there.

    Args:
        answers: ``format.answers``; empty where the task is free text.

    Raises:
        VerdictError: ``labels`` renames what no row has, or a row has a label that the task lacks.
    """
    if unused := sorted(options.labels.keys() - {row.label for row in table.rows}):
        found = sorted({str(row.label) for row in table.rows})
        raise VerdictError(
            f"outside.{name}.labels renames {', '.join(unused)}, which no row of the set has as "
            f"its label; there are {', '.join(found)}"
        )
    rows = [_row(name, row, options) for row in table.rows]
    if foreign := [row for row in rows if answers and row.label not in answers]:
        labels = ", ".join(sorted({str(row.label) for row in foreign}))
        raise VerdictError(
            f"outside.{name}: {len(foreign):,} of {len(rows):,} rows have labels that "
            f"format.answers has not, {labels}, first {foreign[0].id}; say in "
            f"outside.{name}.labels which of {', '.join(answers)} they are, or take the rows "
            "out of the table"
        )
    duplicates = [(_named(name, a), _named(name, b)) for a, b in table.duplicates]
    return replace(table, rows=rows, duplicates=duplicates)


def _row(name: str, row: RawRow, options: Outside) -> RawRow:
    label = row.label if row.label is None else options.labels.get(row.label, row.label)
    row = replace(row, id=_named(name, row.id), label=label)
    if options.same_groups:
        return row
    other = row.other_group and _named(name, row.other_group)
    return replace(row, group=_named(name, row.group), other_group=other)


def _named(name: str, own: str) -> str:
    return f"{name}:{own}"


def without_leaks(
    name: str, records: Sequence[Record], leaks: Mapping[str, Leak], options: Outside
) -> list[Record]:
    """Return the records of a set that models may be tested on: the gate.

    With ``crossing: leave_out`` whole groups go: what else a patient has is no more unseen than the
    one image that is known to be in training.

    Raises:
        VerdictError: there are leaks, and ``crossing`` is ``fail``, or nothing is left; or no
            record has an attribute of ``subgroups``.
    """
    if leaks and options.crossing == "fail":
        told = [
            f"{id_} ({leak.why} {leak.of} of {leak.split})"
            for id_, leak in list(leaks.items())[:_SHOWN]
        ]
        more = ", …" if len(leaks) > _SHOWN else ""
        raise VerdictError(
            f"outside.{name}: models have seen {len(leaks):,} of its {len(records):,} records in "
            f"training or validation: {', '.join(told)}{more}. Take them out of the set, or set "
            f"outside.{name}.crossing to leave_out, which leaves out their {options.groups_are}"
        )
    gone = {group for record in records if record.id in leaks for group in record.groups}
    kept = [record for record in records if gone.isdisjoint(record.groups)]
    if not kept:
        raise VerdictError(
            f"outside.{name}: models have seen all of its {options.groups_are} in training or "
            "validation, so that nothing is left to test on; name another set, or outside={}"
        )
    known = sorted({attribute for record in kept for attribute in record.attributes})
    if missing := [attribute for attribute in options.subgroups if attribute not in known]:
        raise VerdictError(
            f"outside.{name}.subgroups: no record has the attribute {', '.join(missing)}; there "
            f"are {', '.join(known) or 'none'}. Correct the list; [] is for none"
        )
    return kept


def leaks_among_asked(name: str, root: Path) -> list[str]:
    """Say which records of a set models had seen in training, of those that they were asked about.

    Args:
        root: the project's folder.
    """
    chat, shards = (root / place for place in places_of_set(name))
    asked = {one.id for one in read_conversations(chat / f"{name}.jsonl")}
    records = [record for record in read_records(shards) if record.id in asked]
    own = read_records(root / RECORDS)
    leaks = find_leaks(records, shards, own, root / RECORDS, read_split(root / SPLITS))
    return [
        f"{id_} of outside.{name} is {leak.why} {leak.of} of {leak.split}"
        for id_, leak in leaks.items()
    ]


def describe(
    records: Sequence[Record],
    kept: Sequence[Record],
    leaks: Mapping[str, Leak],
    tested: frozenset[str],
) -> dict[str, Any]:
    """Return counts for ``metrics/outside/NAME.json``.

    Args:
        records: of the set.
        kept: those that are asked about.
        leaks: by id, what was found in training and validation.
        tested: groups of the test split.
    """
    labels = Counter(record.label for record in kept if record.label is not None)
    groups = {group for record in kept for group in record.groups}
    return {
        "asked": len(kept),
        "asked_groups": len(groups),
        "groups_in_test": len(groups & tested),
        **{f"label_{label}": labels[label] for label in sorted(labels)},
        "left_out_as_seen": len(records) - len(kept),
        "leaks": dict(sorted(Counter(leak.kind for leak in leaks.values()).items())),
    }
