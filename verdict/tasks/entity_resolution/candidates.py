"""Pairs out of tables of records: candidates by blocking, matches and the hardest non-matches."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from verdict.core.errors import VerdictError
from verdict.records.raw import RawRow, tidy
from verdict.tasks.entity_resolution.archive.layout import as_pair
from verdict.tasks.entity_resolution.blocking import Unpaired, block, numbered
from verdict.tasks.entity_resolution.cells import read_rows
from verdict.tasks.entity_resolution.options import MATCH, NO_MATCH, Options, Records


def pair_records(paths: Sequence[Path], options: Options) -> tuple[list[RawRow], dict[str, Any]]:
    """Return labelled pairs of the records in one or two tables, and counts of how they came about.

    First the entities are divided into small clusters of similar ones, and a pair is of one
    cluster: a split that keeps together what pairs link (``split.crossing: fail``) divides no
    cluster and loses no pair. Of the candidates (see ``block``) those of one entity are the
    matches; for each of them the most similar candidates with one of its records and another
    entity's are taken. The order of the rows has no effect.

    Args:
        paths: of one table, whose records are compared with one another, or of two, where one of
            each is.

    Raises:
        VerdictError: another number of tables, a damaged row, or keys that find no matches, no
            others, or too many.
    """
    if len(paths) > 2:
        raise VerdictError(
            f"{paths[0].parent} has {len(paths)} tables ({', '.join(path.name for path in paths)});"
            " dataset.layout is records, for one table or two that are linked: put the others "
            "elsewhere, or together in one"
        )
    own, entity = options.records, (options.entities or [""])[0]
    assert own is not None, "checked with the options"
    records = [
        record for table, path in enumerate(paths) for record in _records(path, table, entity, own)
    ]
    records.sort(key=lambda record: (record.table, record.id))
    counts = {path.name: sum(r.table == i for r in records) for i, path in enumerate(paths)}
    if not all(counts.values()):
        raise VerdictError(
            f"{min(counts, key=counts.__getitem__)} holds no records; fetch it again"
        )
    blocking = block(records, own.blocking, own.most_pairs)
    rng = np.random.default_rng([own.seed, 1])
    taken = _chosen(records, blocking.pairs, own, rng)
    rows = [
        _row(records[a], records[b], turned)
        for (a, b), turned in zip(taken, rng.random(len(taken)) < 0.5, strict=True)
    ]
    of_text: dict[str, set[str]] = defaultdict(set)
    for record in records:
        of_text[record.text].add(record.entity)
    findings = {
        "tables": counts,
        "entities": len({record.entity for record in records}),
        # One person under two names, perhaps: what is taught about them is wrong then.
        "texts_of_several_entities": sum(len(entities) > 1 for entities in of_text.values()),
        "blocking": blocking.counts,
        "blocking_keys": blocking.by_key,
        "labels": dict(Counter(str(row.label) for row in rows)),
    }
    print(_told(blocking.counts, paths), flush=True)
    return rows, findings


def _told(counts: Mapping[str, Any], paths: Sequence[Path]) -> str:
    return (
        f"{' and '.join(path.name for path in paths)}: blocking keeps {counts['matches_found']:,} "
        f"of {counts['true_matches']:,} matches (pairs completeness "
        f"{counts['pairs_completeness']:.3f}) and {counts['candidate_pairs']:,} of "
        f"{counts['possible_pairs']:,} pairs (reduction ratio {counts['reduction_ratio']:.4f})"
    )


def _records(path: Path, table: int, entity: str, own: Records) -> Iterator[Unpaired]:
    of_keys = [column for key in own.blocking for column in key.columns]
    columns = list(dict.fromkeys([own.id, entity, *own.columns, *of_keys]))
    places: dict[str, str] = {}
    for place, found in read_rows(path, columns, header=True):
        where = f"{path} {place}"
        cells = {column: _text(found[column]) for column in columns}
        name = cells[own.id]
        if not name:
            raise VerdictError(f"{where}: {own.id} is empty; each record needs an id of its own")
        if (other := places.setdefault(name, place)) != place:
            raise VerdictError(
                f"{where}: the {own.id} {name!r} stands on {other} already; each record needs an "
                "id of its own"
            )
        shown = [f"{column}: {cells[column]}" for column in own.columns if cells[column]]
        if not shown:
            raise VerdictError(
                f"{where}: {', '.join(own.columns)} are all empty; take the record out, or name "
                "further columns in dataset.records.columns"
            )
        named = _entity(where, entity, cells[entity], own.entity_pattern)
        yield Unpaired(name, named, table, cells, "\n".join(shown))


def _text(cell: Any) -> str:
    """Return a cell as text; a whole number has no decimals, whatever type its column has."""
    if cell is None or cell != cell:  # of Parquet's numbers NaN is a missing one
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return tidy(str(cell))


def _entity(where: str, column: str, cell: str, pattern: str | None) -> str:
    if not cell:
        raise VerdictError(
            f"{where}: {column} is empty, so that it cannot be told which entity the record is of; "
            "give it a name, or take the record out"
        )
    if pattern is None:
        return cell
    found = re.match(pattern, cell)
    if found is None or not found[1]:
        raise VerdictError(
            f"{where}: {column} is {cell!r}, which does not begin as "
            f"dataset.records.entity_pattern says, {pattern}; correct the pattern or the row"
        )
    return found[1]


def _chosen(
    records: Sequence[Unpaired], pairs: np.ndarray, options: Records, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return the pairs that are taken, as positions of two records, sorted.

    Raises:
        VerdictError: all candidates are of one entity, or none is.
    """
    entities = numbered([record.entity for record in records])[1]
    same = entities[pairs[:, 0]] == entities[pairs[:, 1]]
    matches, others = pairs[same], pairs[~same]
    if not len(matches) or not len(others):
        raise VerdictError(
            f"dataset.records.blocking: {len(matches):,} of the {len(pairs):,} pairs that the keys "
            "bring together are of one entity; matches and others are both needed. Take keys in "
            "which records of one entity agree and some of two do, and see that dataset.entities "
            "names the entity"
        )
    if options.most_matches is not None:
        matches = matches[np.sort(rng.permutation(len(matches))[: options.most_matches])]
    similarity = _similarity(records, others, options.columns)
    order = np.lexsort((others[:, 1], others[:, 0], -similarity))
    others = others[order]
    cluster = _clusters(entities, others, options.most_in_cluster)
    others = others[cluster[others[:, 0]] == cluster[others[:, 1]]]
    return sorted(
        [*_tuples(matches), *_hardest(_tuples(matches), others, options.no_match_per_match)]
    )


def _tuples(pairs: np.ndarray) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairs.tolist()]


def _clusters(entities: np.ndarray, others: np.ndarray, most: int) -> np.ndarray:
    """Return the cluster (n) of each record: entities joined by their most similar pairs first.

    Two clusters stay apart where together they would hold more than ``most`` entities.

    Args:
        entities: the entity (n) of each record.
        others: pairs of two entities, the most similar first.
    """
    parent = list(range(int(entities.max()) + 1))
    held = [1] * len(parent)

    def root(entity: int) -> int:
        while parent[entity] != entity:
            parent[entity] = entity = parent[parent[entity]]
        return entity

    for a, b in entities[others].tolist():
        first, second = root(a), root(b)
        if first != second and held[first] + held[second] <= most:
            parent[second] = first
            held[first] += held[second]
    return np.array([root(entity) for entity in range(len(parent))])[entities]


def _similarity(
    records: Sequence[Unpaired], pairs: np.ndarray, columns: Sequence[str]
) -> np.ndarray:
    """Return the Dice coefficient (n) of the two records' sets of letter pairs.

    Christen, *Data Matching*, Springer 2012, chapter 5.
    """
    texts = [
        f" {' '.join(record.cells[column] for column in columns)} ".casefold() for record in records
    ]
    vectorizer = CountVectorizer(analyzer="char", ngram_range=(2, 2), binary=True, dtype=np.int32)
    grams = vectorizer.fit_transform(texts)
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    shared = np.concatenate(
        [
            np.asarray(grams[some[:, 0]].multiply(grams[some[:, 1]]).sum(axis=1)).ravel()
            for some in np.array_split(pairs, 1 + len(pairs) // 100_000)
        ]
    )
    return 2 * shared / (sizes[pairs[:, 0]] + sizes[pairs[:, 1]])


def _hardest(
    matches: Sequence[tuple[int, int]], others: np.ndarray, count: int
) -> Iterator[tuple[int, int]]:
    """Yield ``count`` pairs that hold a record of each match, each pair once.

    All matches get their first one before any gets its second.

    Args:
        others: pairs of two entities, the most similar first.
    """
    around: dict[int, list[int]] = defaultdict(list)  # by record, its pairs by their rank
    for rank, pair in enumerate(others.tolist()):
        for record in pair:
            around[record].append(rank)
    queues = [iter(sorted({*around[a], *around[b]})) for a, b in matches]
    taken: set[int] = set()
    for _ in range(count):
        for queue in queues:
            for rank in queue:
                if rank not in taken:
                    taken.add(rank)
                    a, b = others[rank].tolist()
                    yield a, b
                    break


def _row(first: Unpaired, second: Unpaired, turned: bool) -> RawRow:
    """Return a pair; of one table either record may come first, so that the order tells nothing."""
    if turned and first.table == second.table:
        first, second = second, first
    return RawRow(
        f"{first.id}+{second.id}",
        first.entity,
        MATCH if first.entity == second.entity else NO_MATCH,
        text=as_pair(first.text, second.text),
        other_group=second.entity if second.entity != first.entity else None,
    )
