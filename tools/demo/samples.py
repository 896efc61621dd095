"""Cases of the test split to try the page with."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from verdict.conversations import Conversation, read_conversations
from verdict.core.paths import RECORDS, TEST_CHAT
from verdict.records.shards import ImageStore, Record, read_records
from verdict.report.page.cases import choose

#: Samples on the page.
COUNT = 8


@dataclass(frozen=True)
class Sample:
    """A record of the test split.

    Attributes:
        images: files with its images as the record stores them.
        right: its label; the answer, where the task is free text.
    """

    id: str
    images: tuple[Path, ...]
    text: str | None
    right: str


def samples(folder: Path) -> list[Sample]:
    """Return some cases of every label, their images written to ``folder``; none without data."""
    if not (TEST_CHAT.is_file() and RECORDS.is_dir()):
        return []
    by_label: dict[str, list[str]] = {}
    asked = {one.id: one for one in read_conversations(TEST_CHAT)}
    for one in asked.values():
        by_label.setdefault(one.label or "", []).append(one.id)
    records = {one.id: one for one in read_records(RECORDS) if one.id in asked}
    images = ImageStore(RECORDS)
    return [
        _sample(asked[id_], records[id_], images, folder / str(number))
        for number, id_ in enumerate(choose(by_label, COUNT))
    ]


def _sample(asked: Conversation, record: Record, images: ImageStore, stem: Path) -> Sample:
    # Not named by its id, which is the data's and may be a path.
    paths = []
    for number, data in enumerate(images.all(record.id)):
        suffix = ".webp" if data[:4] == b"RIFF" else ".jpg"
        path = stem.with_name(f"{stem.name}-{number}{suffix}")
        path.write_bytes(data)
        paths.append(path)
    return Sample(asked.id, tuple(paths), record.text, record.label or str(record.answer))


def digest(images: Iterable[Path], text: str | None) -> str:
    """Return what a sample is recognised by when the page sends it back."""
    sha256 = hashlib.sha256()
    for image in images:
        sha256.update(image.read_bytes() + b"\0")
    sha256.update((text or "").encode())
    return sha256.hexdigest()
