"""Which records of a set models have seen in training: the same group, image or nearly the same.

Of a record of several images each counts, and one is enough.

Images are nearly the same where their perceptual hashes agree: the signs of the lowest frequencies
of a small grey copy, against their median (pHash; Zauner 2010, "Implementation and benchmarking of
perceptual image hash functions", Hagenberg; here with 256 bits, not 64, since images of one kind
are alike). A copy that was turned or mirrored is found, too: each image of the set is hashed in its
eight positions.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn

from verdict.records.shards import ImageStore, Record

#: Side of the grey copy in pixels, and of the square of frequencies that is kept.
SIDE, KEPT = 64, 16
BITS = KEPT * KEPT
#: Most bits in which two images differ that are nearly the same. Of 1,000 synthetic lesions of 64
#: pixels, copies stored again with quality 60 to 85, or a size of 48 to 96, are within it in 94 to
#: 99.9 %; of the 500,000 pairs of different lesions, in all positions, the nearest differ in 26.
ALIKE = 16
#: Numbers in a table of agreements: 64 MB.
_AT_ONCE = 16_000_000

#: The splits that models learn from.
SEEN = ("train", "validation")


@dataclass(frozen=True)
class Leak:
    """A record of the set that models have seen.

    Attributes:
        of: the record of training or validation.
        kind: ``group``, ``identical`` or ``nearly_identical``.
        why: the same in words, before the name of ``of``.
    """

    of: str
    split: str
    kind: str
    why: str


def find_leaks(
    records: Sequence[Record],
    folder: Path,
    own: Sequence[Record],
    own_folder: Path,
    splits: Mapping[str, str],
) -> dict[str, Leak]:
    """Return by id which records of a set models have seen in training or validation.

    Args:
        records, folder: of the set, and where its images are.
        own, own_folder: the task's own.
        splits: by id the split of each of ``own`` that is in one.
    """
    seen = [record for record in own if splits.get(record.id) in SEEN]
    by_group = {group: record for record in seen for group in record.groups}
    by_source = {source: record for record in seen for source in record.sources}

    def leak(other: Record, kind: str, why: str) -> Leak:
        return Leak(other.id, splits[other.id], kind, why)

    found: dict[str, Leak] = {}
    for record in records:
        shared = next((group for group in record.groups if group in by_group), None)
        same = next((source for source in record.sources if source in by_source), None)
        if shared is not None:
            found[record.id] = leak(by_group[shared], "group", f"of the group {shared}, as is")
        elif same is not None:
            found[record.id] = leak(by_source[same], "identical", f"{_what(by_source[same])} of")
    left = _by_image(record for record in records if record.id not in found)
    pictured = _by_image(seen)
    for row, column in nearly_identical(_images(left, folder), _images(pictured, own_folder)):
        other = pictured[column]
        nearly = leak(other, "nearly_identical", f"nearly {_what(other)} of")
        found.setdefault(left[row].id, nearly)
    return {record.id: found[record.id] for record in records if record.id in found}


def _what(record: Record) -> str:
    if record.images > 1:
        return "an image"
    return "the image" if record.has_image else "the text"


def _by_image(records: Iterable[Record]) -> list[Record]:
    """Return the records of each image: one that has several as often, a text not at all."""
    return [record for record in records for _ in range(record.images)]


def _images(records: Sequence[Record], folder: Path) -> Iterator[bytes]:
    """Yield the images of records, as ``_by_image`` gives them."""
    store = ImageStore(folder)
    for id_ in dict.fromkeys(one.id for one in records):
        yield from store.all(id_)


def nearly_identical(images: Iterable[bytes], others: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the position of each image that is nearly one of ``others``, and that of the nearest.

    Args:
        images, others: encoded square images.
    """
    theirs = np.array([_signs(_grey(data)[None])[0] for data in others], np.float32)
    if not len(theirs):
        return
    positions = (_signs(_eight_positions(_grey(data))) for data in images)
    ours = np.array(list(positions), np.float32).reshape(-1, BITS)
    step = 8 * max(1, _AT_ONCE // (8 * len(theirs)))
    for start in range(0, len(ours), step):
        # Whole numbers, so that no processor rounds them otherwise.
        agreeing = ours[start : start + step] @ theirs.T
        nearest = agreeing.reshape(-1, 8, len(theirs)).max(axis=1)
        for row in np.flatnonzero(nearest.max(axis=1) >= BITS - 2 * ALIKE).tolist():
            yield start // 8 + row, int(nearest[row].argmax())


def _grey(data: bytes) -> np.ndarray:
    """Return an encoded image in grey (SIDE, SIDE)."""
    with Image.open(io.BytesIO(data), formats=["JPEG", "WEBP", "PNG"]) as image:
        image.draft("L", (SIDE, SIDE))
        small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float64)


def _eight_positions(grey: np.ndarray) -> np.ndarray:
    """Return an image turned and mirrored (8, SIDE, SIDE)."""
    turned = [np.rot90(grey, quarter) for quarter in range(4)]
    return np.stack([*turned, *(one[:, ::-1] for one in turned)])


def _signs(greys: np.ndarray) -> np.ndarray:
    """Return the hashes (n, BITS) of grey images (n, SIDE, SIDE), with -1 for an unset bit."""
    lowest = dctn(greys, axes=(1, 2))[:, :KEPT, :KEPT].reshape(len(greys), BITS)
    # To hundredths: what is equal but for the order of a sum stays equal on every processor.
    lowest = np.round(lowest, 2)
    return np.where(lowest > np.median(lowest, axis=1, keepdims=True), 1, -1)
