"""Training rows: conversations with their images, decoded only when a batch needs them."""

import copy
import io
from collections.abc import Sequence
from typing import Any

import datasets
from PIL import Image

from verdict.records.conversations import Conversation
from verdict.records.shards import ImageStore


def training_rows(conversations: Sequence[Conversation], images: ImageStore) -> datasets.Dataset:
    """Return a dataset with ``prompt``, ``completion`` and ``image`` as trl's trainer reads them.

    Only positions are stored; a row is put together when it is asked for, so shuffling moves no
    pixels and memory does not grow with the data.
    """
    positions = datasets.Dataset.from_dict({"position": list(range(len(conversations)))})
    return positions.with_transform(_Materialise(conversations, images))


class _Materialise:
    """Turns positions into rows; a class, so that ``datasets`` can pickle it."""

    def __init__(self, conversations: Sequence[Conversation], images: ImageStore):
        self._conversations, self._images = conversations, images

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        chosen = [self._conversations[position] for position in batch["position"]]
        return {
            # trl edits messages in place.
            "prompt": [copy.deepcopy(row.prompt) for row in chosen],
            "completion": [copy.deepcopy(row.completion) for row in chosen],
            "image": [decode(self._images[row.id]) for row in chosen],
        }


def decode(data: bytes) -> Image.Image:
    """Decode a stored image to RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")
