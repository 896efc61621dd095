"""Cases of the test split to try the page with."""

import hashlib
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
        image: a file with its image as the record stores it.
        right: its label; the answer, where the task is free text.
    """

    id: str
    image: Path | None
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
    path = None
    if record.has_image:
        data = images[record.id]
        path = stem.with_suffix(".webp" if data[:4] == b"RIFF" else ".jpg")
        path.write_bytes(data)
    return Sample(asked.id, path, record.text, record.label or str(record.answer))


def digest(image: Path | None, text: str | None) -> str:
    """Return what a sample is recognised by when the page sends it back."""
    content = image.read_bytes() if image else b""
    return hashlib.sha256(content + b"\0" + (text or "").encode()).hexdigest()
