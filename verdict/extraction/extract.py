"""From a raw archive to canonical records: decode in parallel, write deterministic shards."""

import hashlib
import importlib.metadata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial as partial_call
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.engine import LOCAL, open_pool
from verdict.extraction.shard_tasks import (
    Item,
    Rejection,
    ShardTask,
    ShardWriter,
    counting,
    finished,
    shard_count,
)
from verdict.params import Compute
from verdict.params.data import Extract
from verdict.records.archive import ImageSource
from verdict.records.duplicates import write_duplicates
from verdict.records.raw import RawRow, RawTable
from verdict.runtime.progress import progress
from verdict.runtime.resume import digests_of_sources, folder_of

#: What decides the bytes of a shard, beside this project.
_PACKAGES = (
    "numpy", "pillow", "pyarrow", "pydicom", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg",
)  # fmt: skip


def extract(
    table: RawTable,
    options: Extract,
    destination: Path,
    *,
    compute: Compute = LOCAL,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Write the records of a raw table as Parquet shards, and the list of duplicate pairs.

    Images are streamed out of the archive, never unpacked to disk. Shard i of n holds
    ``sorted(ids)[i::n]``, so that its bytes do not depend on the number of workers.

    Args:
        compute: who decodes; it changes no byte.
        keep: where finished shards are kept, and found again by a run that goes on (see
            ``folder_for``); None keeps nothing.

    Returns:
        Counts for ``metrics/extract.json``, with every rejected image and its reason.

    Raises:
        VerdictError: rows and images do not match one to one, or more images than
            ``max_rejected`` do not decode. Nothing is replaced then.
    """
    items = _items(table)
    n_shards = shard_count(table.rows, options)
    with replacing(destination) as partial:
        partial.mkdir()
        folder = keep or partial
        tasks = [
            ShardTask(
                folder / f"shard-{index:05d}-of-{n_shards:05d}.parquet", items[index::n_shards]
            )
            for index in range(n_shards)
        ]
        rejected = _write_shards(tasks, table, options, compute, resume=keep is not None)
        if len(rejected) > options.max_rejected:
            raise VerdictError(_too_many(table.images, rejected, options.max_rejected))
        for task in tasks:
            task.deliver(partial)
        gone = {rejection["id"] for rejection in rejected}
        write_duplicates(partial, table.duplicates, gone)
    written = [row for row in table.rows if row.id not in gone]
    return {
        "records": len(written),
        "groups": len({group for row in written for group in row.groups}),
        "shards": n_shards,
        "rejected": len(rejected),
        "rejections": rejected,
        **table.findings,
    }


def folder_for(table: RawTable, options: Extract) -> Path:
    """Return the folder that keeps the shards of this table, these images and these options."""
    decisive = {
        "images": table.images.digest() if table.images else None,
        "rows": _digest(table.rows),
        # How many rejections are too many changes no shard.
        "options": options.model_dump(exclude={"max_rejected"}),
        "versions": {name: _version(name) for name in _PACKAGES},
        "sources": digests_of_sources("extraction", "records"),
    }
    return folder_of("extract", decisive)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a decoder that no image may need
        return None


def _items(table: RawTable) -> list[Item]:
    """Return the rows by id, with what a worker must know of each.

    Raises:
        VerdictError: as ``_places``.
    """
    places = _places(table)
    found = [
        (row, position, tuple(places[image] for image in row.images))
        for position, row in enumerate(table.rows)
    ]
    return sorted(found, key=lambda item: item[0].id)


def _digest(rows: Iterable[RawRow]) -> str:
    sha256 = hashlib.sha256()
    for row in rows:
        sha256.update(repr(row).encode())
    return sha256.hexdigest()


def _write_shards(
    tasks: Sequence[ShardTask],
    table: RawTable,
    options: Extract,
    compute: Compute,
    *,
    resume: bool,
) -> list[Rejection]:
    """Write the shards that are not written yet; return the rejections of all, sorted by id."""
    done = finished(tasks) if resume else {}
    rejected = [rejection for found in done.values() for rejection in found]
    missing = [task for index, task in enumerate(tasks) if index not in done]
    if done:
        print(f"extract: resuming: {len(done)} of {len(tasks)} shards were done", flush=True)
    if missing:
        total = sum(len(task.rows) for task in tasks)
        before = total - sum(len(task.rows) for task in missing)
        named = {name for row in table.rows for name in row.attributes}
        several = any(row.further_images for row in table.rows)
        make = partial_call(ShardWriter, table.images, options, named, several)
        with (
            open_pool(make, compute, most=len(missing)) as pool,
            progress("extract", total, "records") as bar,
        ):
            bar.begin(total, before)
            with counting(bar, missing):
                for _, refused in pool.run(missing):
                    rejected += refused
    return sorted(rejected, key=lambda rejection: rejection["id"])


def _places(table: RawTable) -> Mapping[str, Any]:
    """Return where each image is; every row's is there, every image has a row, ids are unique.

    Raises:
        VerdictError: naming the first that does not match.
    """
    ids = {row.id for row in table.rows}
    if len(ids) < len(table.rows):
        twice, _ = Counter(row.id for row in table.rows).most_common(1)[0]
        raise VerdictError(f"the record {twice} stands in the table twice; each needs its own id")
    wanted = {image: row.id for row in table.rows for image in row.images}
    if table.images is None:
        assert not wanted, "rows with images need RawTable.images"
        return {}
    path, places = table.images.path, table.images.places()
    if without := sorted(wanted.keys() - places.keys()):
        raise VerdictError(
            f"{path} has no image for {len(without)} of {len(ids)} rows, first "
            f"{wanted[without[0]]}; fetch the archive again, or take the rows out of the table"
        )
    if table.every_image and (extra := sorted(places.keys() - wanted.keys())):
        raise VerdictError(
            f"{path} holds {len(extra)} image{'s' if len(extra) > 1 else ''} without a "
            f"row in the table, first {extra[0]}; fetch the table that belongs to this "
            "archive"
        )
    return places


def _too_many(images: ImageSource | None, rejected: list[Rejection], allowed: int) -> str:
    assert images is not None, "only images are rejected"
    listed = "\n".join(
        f"  {rejection['image']}: {rejection['reason']}" for rejection in rejected[:10]
    )
    more = f"\n  … and {len(rejected) - 10} more" if len(rejected) > 10 else ""
    return (
        f"{images.path}: {len(rejected)} image{'s' if len(rejected) > 1 else ''} cannot be used, "
        f"extract.max_rejected allows {allowed}:\n{listed}{more}\n"
        "Fetch the archive again, or raise extract.max_rejected to go on without them"
    )
