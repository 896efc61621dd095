"""One shard as a task: what a worker writes, how it says how far it is, and what is finished."""

import hashlib
import json
import math
import os
import shutil
import threading
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from verdict.extraction.images import convert_described
from verdict.params.data import Extract
from verdict.records.archive import ImageSource
from verdict.records.raw import RawRow
from verdict.records.shards import ROW_GROUP, write_shard
from verdict.runtime.progress import Bar
from verdict.runtime.resume import UnsealedError, seal, unseal

#: Bytes of an encoded image by its pixels: 75 kB at 512 × 512 as JPEG (quality 95, 4:4:4).
_BYTES_PER_PIXEL = {"jpeg": 0.29, "webp_lossless": 1.2}
#: Seconds between two looks at how far the workers are.
_GLANCE = 1.0

#: A row, its position in the table, and where its images are, as ``ImageSource.places`` says.
Item = tuple[RawRow, int, tuple[Any, ...]]
#: ``id``, ``image`` and ``reason``.
Rejection = dict[str, str]


@dataclass(frozen=True)
class ShardTask:
    """A shard to write: its rows, and all that a worker must know of them.

    Beside the shard lie ``NAME.json``, its seal (SHA-256 and rejections, written when it is
    complete), and ``NAME.count``, which grows by a byte a record while it is written.
    """

    path: Path
    rows: list[Item]

    @property
    def seal(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def count(self) -> Path:
        return self.path.with_suffix(".count")

    def deliver(self, folder: Path) -> None:
        """See that the shard lies in ``folder``, and nothing but the shard."""
        if self.path.parent != folder:
            try:
                os.link(self.path, folder / self.path.name)
            except OSError:  # another file system, or one without links
                shutil.copyfile(self.path, folder / self.path.name)
        else:
            self.seal.unlink()
            self.count.unlink()


def shard_count(rows: Sequence[RawRow], options: Extract) -> int:
    """Return how many shards of about ``shard_megabytes`` the rows make."""
    images = sum(len(row.images) for row in rows)
    expected = images * options.size**2 * _BYTES_PER_PIXEL[options.format]
    expected += sum(len(row.text or "") + len(row.answer or "") for row in rows)
    return max(1, math.ceil(expected / (options.shard_megabytes * 2**20)))


def finished(tasks: Sequence[ShardTask]) -> dict[int, list[Rejection]]:
    """Return the rejections of each shard that is complete, by its position in ``tasks``.

    A shard that was cut off, or has changed, is not.
    """
    for folder in {task.path.parent for task in tasks}:
        for leftover in folder.glob(".*.partial"):
            leftover.unlink()
    # Hashing lets other threads run.
    with ThreadPoolExecutor() as pool:
        seals = list(pool.map(_sealed, tasks))
    return {index: found for index, found in enumerate(seals) if found is not None}


def _sealed(task: ShardTask) -> list[Rejection] | None:
    try:
        return unseal(task.seal)
    except UnsealedError:
        return None


@contextmanager
def counting(bar: Bar, tasks: Sequence[ShardTask]) -> Iterator[None]:
    """Advance a bar by the records that the workers of these tasks count, on whatever machine."""
    for task in tasks:
        task.count.unlink(missing_ok=True)
    over = threading.Event()

    def watch() -> None:
        shown = 0
        while True:
            last = over.wait(_GLANCE)
            done = sum(task.count.stat().st_size for task in tasks if task.count.exists())
            # A task that is done again after its worker was killed counts anew.
            bar.advance(max(0, done - shown))
            shown = max(shown, done)
            if last:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


class ShardWriter:
    """Writes shards, one task after another, in one worker.

    Args:
        named: the attributes that the table has of any row; an image's header does not add to them.
        several: whether any row of the table has several images.
    """

    def __init__(
        self, images: ImageSource | None, options: Extract, named: Set[str], several: bool
    ):
        self._options, self._named, self._several = options, named, several
        # Opened once a worker, and closed when the worker ends.
        self._opened = images.open() if images else nullcontext()
        self._reader = self._opened.__enter__()

    def __call__(self, task: ShardTask) -> list[Rejection]:
        """Write a shard; return the rows that are left out of it."""
        rejected: list[Rejection] = []
        # A name of its own: nobody else writes to it, not even one who was taken for dead.
        partial = task.path.with_name(f".{task.path.name}.{uuid4().hex}.partial")
        try:
            with task.count.open("wb", buffering=0) as count:
                rows = self._rows(task.rows, rejected, count)
                write_shard(partial, rows, several=self._several)
            os.replace(partial, task.path)
        finally:
            partial.unlink(missing_ok=True)
        seal(task.seal, rejected, [task.path])
        return rejected

    def _rows(
        self, rows: Sequence[Item], rejected: list[Rejection], count: Any
    ) -> Iterator[dict[str, Any]]:
        for number, (row, position, places) in enumerate(rows, 1):
            try:
                content = self._content(row, places)
            except _RejectedError as error:
                rejected.append({"id": row.id, "image": error.image, "reason": str(error)})
            else:
                yield {
                    "id": row.id,
                    "group": row.group,
                    "other_group": row.other_group,
                    "text": row.text,
                    "label": row.label,
                    "answer": row.answer,
                    "split": row.split,
                    "row": position,
                    **content,
                }
            if number % ROW_GROUP == 0 or number == len(rows):
                count.write(b"." * ((number - 1) % ROW_GROUP + 1))

    def _content(self, row: RawRow, places: Sequence[Any]) -> dict[str, Any]:
        """Return the images as they are stored, attributes, and the hash of what each is of."""
        found = [self._image(*pair) for pair in zip(row.images, places, strict=True)]
        # Two records of the same text are as much the same as two of the same image.
        hashes = [sha256 for _, _, sha256 in found] or [_sha256((row.text or "").encode())]
        attributes = row.attributes | self._unnamed([described for _, described, _ in found])
        content: dict[str, Any] = {
            "image": found[0][0] if found else None,
            "attributes": json.dumps(attributes, sort_keys=True, ensure_ascii=False),
            "sha256": hashes[0],
        }
        if self._several:
            further = [image for image, _, _ in found[1:]]
            content |= {"further_images": further, "further_sha256": hashes[1:]}
        return content

    def _image(self, image: str, place: Any) -> tuple[dict[str, Any], dict[str, str], str]:
        """Return an image as it is stored, what its header says, and the hash of its source."""
        assert self._reader is not None, "rows with images need RawTable.images"
        try:
            data = self._reader.read(place)
            encoded, described = convert_described(data, self._options)
        except ValueError as error:
            raise _RejectedError(image, str(error)) from None
        return {"bytes": encoded, "path": None}, described, _sha256(data)

    def _unnamed(self, described: Sequence[dict[str, str]]) -> dict[str, str]:
        """Return what the DICOM headers of all images say alike, and the table of no row."""
        named = self._named | ({"age_band"} if "age" in self._named else set())
        first, *others = described or [{}]
        return {
            name: value
            for name, value in first.items()
            if name not in named and all(other.get(name) == value for other in others)
        }


class _RejectedError(Exception):
    """An image cannot be used; the text says why."""

    def __init__(self, image: str, reason: str):
        super().__init__(reason)
        self.image = image


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
