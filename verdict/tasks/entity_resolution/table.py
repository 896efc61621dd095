"""Read and check pairs of records, and find the entities that they are about."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from verdict.errors import VerdictError
from verdict.records.raw import RawRow, RawTable
from verdict.tasks.entity_resolution.cells import SUFFIXES, read_rows
from verdict.tasks.entity_resolution.layout import FILES, MESSAGES, SPLITS, as_pair
from verdict.tasks.entity_resolution.options import Options, plain
from verdict.tasks.entity_resolution.pairs import IN_MESSAGES, out_of_messages, text_of

MATCH, NO_MATCH = "match", "no_match"


@dataclass(frozen=True)
class _Pair:
    id: str
    left: str
    right: str
    label: str
    split: Any


def read_table(folder: Path, options: Options) -> RawTable:
    """Read every CSV, TSV, JSON-lines and Parquet file of pairs, in the order of their names.

    A record is its text: equal texts are one record, in whichever column they stand. An entity is a
    connected component of records over the pairs labelled ``match``, and a pair has the entities
    of its two records as groups. A file whose name begins with train, valid or test (or a word for
    these) holds that published split; the others have none.

    Raises:
        VerdictError: no file, a missing column, an unknown label or an empty record; it names file,
            line and column.
    """
    paths = _files(folder / FILES["pairs"])
    labels = {plain(value): MATCH for value in options.match}
    labels |= {plain(value): NO_MATCH for value in options.no_match}
    pairs = [pair for path in paths for pair in _pairs(path, options, labels)]
    if not pairs:
        raise VerdictError(f"{folder / FILES['pairs']} holds no pairs; check fetch.files")
    entities = _entities(pairs)
    rows = []
    for pair in pairs:
        first, second = entities[pair.left], entities[pair.right]
        rows.append(
            RawRow(
                pair.id,
                first,
                pair.label,
                text=as_pair(pair.left, pair.right),
                split=pair.split,
                other_group=second if second != first else None,
            )
        )
    sizes = Counter(entities.values())
    findings = {
        "files": dict(Counter(pair.id.rpartition("-")[0] for pair in pairs)),
        "labels": dict(Counter(pair.label for pair in pairs)),
        "texts": len(entities),
        "entities": len(sizes),
        "texts_of_the_largest_entity": max(sizes.values()),
        # Other pairs say, directly or over a third record, that they are one entity.
        "no_match_within_an_entity": sum(
            row.label == NO_MATCH and row.other_group is None for row in rows
        ),
    }
    return RawTable(rows, findings=findings)


def _files(folder: Path) -> list[Path]:
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise VerdictError(
            f"{folder} holds no file of pairs ({', '.join(sorted(SUFFIXES))}); check fetch.files"
        )
    if len({path.stem for path in paths}) < len(paths):
        twice, _ = Counter(path.stem for path in paths).most_common(1)[0]
        raise VerdictError(
            f"{folder} holds two files called {twice}; each needs its own name, which its pairs "
            "are called by"
        )
    return paths


def _pairs(path: Path, options: Options, labels: dict[str, str]) -> Iterator[_Pair]:
    first_word = re.match(r"[a-z]*", path.stem.lower())
    split = SPLITS.get(first_word.group() if first_word else "")
    names = (options.left, options.right, options.label)
    columns = (MESSAGES,) if options.layout == "messages" else names
    rows = read_rows(path, columns, header=options.header or options.layout == "messages")
    for number, (place, cells) in enumerate(rows, start=1):
        where = f"{path} {place}"
        if options.layout == "messages":
            left, right, given = out_of_messages(where, cells[MESSAGES])
            names = (*IN_MESSAGES, f"{MESSAGES} (answer)")
        else:
            left, right, given = (cells[name] for name in names)
        label = labels.get(plain(given))
        if label is None:
            raise VerdictError(
                f"{where}: {names[2]} is {given!r}; expected one of {', '.join(labels)} "
                "(dataset.match and dataset.no_match in params.yaml)"
            )
        yield _Pair(
            f"{path.stem}-{number:06d}",
            text_of(where, names[0], left),
            text_of(where, names[1], right),
            label,
            split,
        )


def _entities(pairs: Sequence[_Pair]) -> dict[str, str]:
    """Return the name of each record's entity, by its text; numbered as they first occur."""
    nodes: dict[str, int] = {}
    edges = []
    for pair in pairs:
        edge = [nodes.setdefault(text, len(nodes)) for text in (pair.left, pair.right)]
        if pair.label == MATCH:
            edges.append(edge)
    ends = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(nodes), len(nodes)))
    component = connected_components(graph, directed=False)[1].tolist()
    number: dict[int, int] = {}
    for node in component:
        number.setdefault(node, len(number) + 1)
    return {text: f"entity-{number[component[node]]:06d}" for text, node in nodes.items()}
