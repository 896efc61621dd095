"""Which records belong together, and so must not be divided between training and test."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from verdict.records.shards import Record

#: The units of a record: one, or two where it links two groups that are not linked otherwise.
Units = tuple[int, ...]


def link(
    records: Sequence[Record], duplicates: Sequence[tuple[str, str]], *, pairs_link: bool = True
) -> list[Units]:
    """Return for each record the numbers of its units.

    A unit is a connected component: records that share a group, the same source, or a listed
    duplicate pair are of one unit. A record with two groups (a pair of entries) joins them into
    one unit if ``pairs_link``; otherwise it belongs to two units.
    """
    nodes: dict[tuple[str, str], int] = {}

    def node(kind: str, name: str) -> int:
        return nodes.setdefault((kind, name), len(nodes))

    edges: list[tuple[int, int]] = []
    for record in records:
        own = node("group", record.group)
        edges.append((node("id", record.id), own))
        if len(record.groups) == 1:
            edges += [(own, node("source", sha256)) for sha256 in record.sources]
        if record.other_group is not None:
            other = node("group", record.other_group)
            if pairs_link:
                edges.append((own, other))
    edges += [(node("id", first), node("id", second)) for first, second in duplicates]
    rows, columns = np.array(edges).T if edges else np.zeros((2, 0), dtype=int)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(nodes), len(nodes)))
    component = connected_components(graph, directed=False)[1].tolist()
    number: dict[int, int] = {}  # units are numbered as they first occur

    def unit(group: str) -> int:
        return number.setdefault(component[nodes["group", group]], len(number))

    def units(record: Record) -> Units:
        first = unit(record.group)
        if record.other_group is None or (second := unit(record.other_group)) == first:
            return (first,)
        return (first, second)

    return [units(record) for record in records]
