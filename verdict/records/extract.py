"""From a raw archive to canonical records: decode in parallel, write deterministic shards."""

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.params import Extract
from verdict.progress import progress
from verdict.records.archive import image_members, read_member
from verdict.records.duplicates import write_duplicates
from verdict.records.images import convert
from verdict.records.raw import RawRow, RawTable
from verdict.records.shards import write_shard

#: Bytes of an encoded image by its pixels: 75 kB at 512 × 512 as JPEG (quality 95, 4:4:4).
_BYTES_PER_PIXEL = {"jpeg": 0.29, "webp_lossless": 1.2}

Rejection = dict[str, str]


def extract(table: RawTable, options: Extract, destination: Path) -> dict[str, Any]:
    """Write the records of a raw table as Parquet shards, and the list of duplicate pairs.

    Images are streamed out of the archive, never unpacked to disk. Shard i of n holds
    ``sorted(ids)[i::n]``, so that its bytes do not depend on the number of workers.

    Returns:
        Counts for ``metrics/extract.json``, with every rejected image and its reason.

    Raises:
        VerdictError: rows and images do not match one to one, or more images than
            ``max_rejected`` do not decode. Nothing is replaced then.
    """
    members = _match(table)
    rows = sorted(table.rows, key=lambda row: row.id)
    position = {row.id: index for index, row in enumerate(table.rows)}
    n_shards = _shard_count(len(rows), options)
    rejected: list[Rejection] = []
    with replacing(destination) as partial:
        partial.mkdir()
        with (
            ProcessPoolExecutor(
                max_workers=min(n_shards, len(os.sched_getaffinity(0))),
                mp_context=get_context("spawn"),
            ) as pool,
            progress("extract", len(rows), "images") as bar,
        ):
            tasks = [
                pool.submit(
                    _write_one,
                    partial / f"shard-{index:05d}-of-{n_shards:05d}.parquet",
                    table.archive,
                    [(row, members[row.id], position[row.id]) for row in rows[index::n_shards]],
                    options,
                )
                for index in range(n_shards)
            ]
            for task in as_completed(tasks):
                done, refused = task.result()
                rejected += refused
                bar.advance(done)
        rejected.sort(key=lambda rejection: rejection["id"])
        if len(rejected) > options.max_rejected:
            raise VerdictError(_too_many(table.archive, rejected, options.max_rejected))
        gone = {rejection["id"] for rejection in rejected}
        write_duplicates(partial, table.duplicates, gone)
    kept = [row for row in rows if row.id not in gone]
    return {
        "records": len(kept),
        "groups": len({row.group for row in kept}),
        "shards": n_shards,
        "rejected": len(rejected),
        "rejections": rejected,
    }


def _match(table: RawTable) -> dict[str, str]:
    """Return the member of each row; every row has an image and every image a row."""
    members = image_members(table.archive)
    ids = {row.id for row in table.rows}
    if without := sorted(ids - members.keys()):
        raise VerdictError(
            f"{table.archive} has no image for {len(without)} of {len(ids)} rows, first "
            f"{without[0]}; fetch the archive again, or take the rows out of the table"
        )
    if extra := sorted(members.keys() - ids):
        raise VerdictError(
            f"{table.archive} holds {len(extra)} image{'s' if len(extra) > 1 else ''} without a "
            f"row in the table, first {members[extra[0]]}; fetch the table that belongs to this "
            "archive"
        )
    return members


def _shard_count(n_records: int, options: Extract) -> int:
    expected = n_records * options.size**2 * _BYTES_PER_PIXEL[options.format]
    return max(1, math.ceil(expected / (options.shard_megabytes * 2**20)))


def _write_one(
    path: Path, archive: Path, rows: list[tuple[RawRow, str, int]], options: Extract
) -> tuple[int, list[Rejection]]:
    rejected: list[Rejection] = []

    def encoded() -> Iterator[dict[str, Any]]:
        with zipfile.ZipFile(archive) as file:
            for row, member, position in rows:
                try:
                    data = read_member(file, member)
                    image = convert(data, options)
                except ValueError as error:
                    rejected.append({"id": row.id, "member": member, "reason": str(error)})
                    continue
                yield {
                    "id": row.id,
                    "group": row.group,
                    "image": {"bytes": image, "path": None},
                    "label": row.label,
                    "attributes": json.dumps(row.attributes, sort_keys=True, ensure_ascii=False),
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "row": position,
                }

    write_shard(path, encoded())
    return len(rows), rejected


def _too_many(archive: Path, rejected: list[Rejection], allowed: int) -> str:
    listed = "\n".join(
        f"  {rejection['member']}: {rejection['reason']}" for rejection in rejected[:10]
    )
    more = f"\n  … and {len(rejected) - 10} more" if len(rejected) > 10 else ""
    return (
        f"{archive}: {len(rejected)} image{'s' if len(rejected) > 1 else ''} cannot be used, "
        f"extract.max_rejected allows {allowed}:\n{listed}{more}\n"
        "Fetch the archive again, or raise extract.max_rejected to go on without them"
    )
