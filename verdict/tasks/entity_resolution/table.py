"""Read and check pairs of records, and find the entities that they are about."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from verdict.core.errors import VerdictError
from verdict.records.raw import RawRow, RawTable, first_word, not_read, tidy
from verdict.tasks.entity_resolution.archive.layout import FILES, MESSAGES, SPLITS, as_pair
from verdict.tasks.entity_resolution.candidates import pair_records
from verdict.tasks.entity_resolution.cells import SUFFIXES, read_rows
from verdict.tasks.entity_resolution.options import MATCH, NO_MATCH, Options, plain
from verdict.tasks.entity_resolution.pairs import IN_MESSAGES, out_of_messages, text_of
from verdict.tasks.entity_resolution.records import TABLES, Tables, read_tables


@dataclass(frozen=True)
class _Pair:
    """A pair as it was read; ``records`` are names of its two, ``entities`` what the data say."""

    id: str
    left: str
    right: str
    label: str
    split: Any
    records: tuple[str, str]
    entities: tuple[str | None, str | None]


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the pairs of a raw archive: see ``read_folder``."""
    return read_folder(folder / FILES["pairs"], options)


def read_folder(folder: Path, options: Options) -> RawTable:
    """Read every CSV, TSV, JSON-lines and Parquet file of pairs, in the order of their names.

    For the layout ``records`` they hold no pairs yet: see ``pair_records``. Otherwise a record is
    its text: equal texts are one record, in whichever column they stand. An entity is a connected
    component of records over the pairs labelled ``match`` and over the names of entities where
    ``options.entities`` has columns of them; a pair has the entities of its two records as groups,
    called as the data call them or else after a record (see ``_entities``). A file whose name
    begins with train, valid or test (or a word for these) holds that published split; the others
    have none.

    Raises:
        VerdictError: no file, a file of a published split that cannot be read, a missing column, an
            unknown label or an empty record; it names file, line and column.
    """
    paths = _files(folder)
    ending = f"that ends in {', '.join(sorted(SUFFIXES))}"
    unread = not_read(folder, lambda path: path.suffix.lower() in SUFFIXES, SPLITS, ending)
    read = pair_records if options.layout == "records" else _labelled
    rows, findings = read(paths, options)
    if unread:
        findings["files_not_read"] = unread
    return RawTable(rows, findings=findings)


def _labelled(paths: Sequence[Path], options: Options) -> tuple[list[RawRow], dict[str, Any]]:
    """Return the pairs of files that say which match, and counts for ``metrics/extract.json``."""
    tables = None
    folder = paths[0].parent
    if options.layout == "tables":
        tables = read_tables(folder, options.entities[0] if options.entities else None)
        paths = [path for path in paths if path.name not in TABLES]
    labels = {plain(value): MATCH for value in options.match}
    labels |= {plain(value): NO_MATCH for value in options.no_match}
    pairs = [pair for path in paths for pair in _pairs(path, options, labels, tables)]
    if not pairs:
        raise VerdictError(f"{folder} holds no pairs; check fetch.files")
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
    return rows, {
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


def _pairs(
    path: Path, options: Options, labels: dict[str, str], tables: Tables | None
) -> Iterator[_Pair]:
    split = SPLITS.get(first_word(path.name))
    names = (options.left, options.right, options.label)
    named = () if tables else tuple(options.entities or ())
    columns = (MESSAGES,) if options.layout == "messages" else (*names, *named)
    rows = read_rows(path, columns, header=options.header or options.layout == "messages")
    for number, (place, cells) in enumerate(rows, start=1):
        where, pair = f"{path} {place}", f"{path.stem}-{number:06d}"
        records = [f"{pair}-A", f"{pair}-B"]
        if options.layout == "messages":
            left, right, given = out_of_messages(where, cells[MESSAGES])
            names = (*IN_MESSAGES, f"{MESSAGES} (answer)")
        else:
            left, right, given = (cells[name] for name in names)
        entities: tuple[str | None, ...] = (None,)
        if named:
            entities = tuple(_entity(where, name, cells[name]) for name in named)
        if tables:
            sources = [
                tables.find(where, names[side], side, cell)
                for side, cell in enumerate((left, right))
            ]
            left, right = (source.text for source in sources)
            records = [source.name for source in sources]
            entities = tuple(source.entity for source in sources)
        label = labels.get(plain(given))
        if label is None:
            raise VerdictError(
                f"{where}: {names[2]} is {given!r}; expected one of {', '.join(labels)} "
                "(dataset.match and dataset.no_match in params.yaml)"
            )
        yield _Pair(
            pair,
            text_of(where, names[0], left),
            text_of(where, names[1], right),
            label,
            split,
            (records[0], records[1]),
            (entities[0], entities[-1]),
        )


def _entity(where: str, column: str, cell: Any) -> str:
    name = "" if cell is None else tidy(str(cell))
    if not name:
        raise VerdictError(
            f"{where}: {column} is empty; give the entity a name, or set dataset.entities to null"
        )
    return name


def _entities(pairs: Sequence[_Pair]) -> dict[str, str]:
    """Return the name of each record's entity, by its text.

    Of the names that the data give an entity it is the smallest; where they give none, the name of
    the entity's first record: ``train-000017-A`` is Record A of the pair train-000017.
    """
    nodes: dict[str, int] = {}
    edges = []
    first: dict[str, int] = {}  # a record of each named entity
    records: list[str] = []  # by node, the record that has the text first
    for pair in pairs:
        edge = [nodes.setdefault(text, len(nodes)) for text in (pair.left, pair.right)]
        for node, name, entity in zip(edge, pair.records, pair.entities, strict=True):
            if node == len(records):
                records.append(name)
            if entity is not None:
                edges.append([first.setdefault(entity, node), node])
        if pair.label == MATCH:
            edges.append(edge)
    ends = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(nodes), len(nodes)))
    component = connected_components(graph, directed=False)[1].tolist()
    called: dict[int, str] = {}
    for entity in sorted(first):
        called.setdefault(component[first[entity]], entity)
    for node, name in enumerate(records):
        called.setdefault(component[node], name)
    return {text: called[component[node]] for text, node in nodes.items()}
