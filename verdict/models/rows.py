"""Training rows: conversations with their images, decoded only when a batch needs them."""

import copy
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image
from transformers import ProcessorMixin

from verdict.conversations import Conversation, Message
from verdict.models.balance import Selection
from verdict.records.shards import ImageStore

if TYPE_CHECKING:
    import datasets

#: Stands where an image would, when the model is given its features instead.
BLANK = Image.new("RGB", (1, 1))


def training_rows(
    conversations: Sequence[Conversation],
    images: ImageStore,
    selection: Selection | None = None,
    *,
    blank_images: bool = False,
    padding: int = 0,
) -> "datasets.Dataset":
    """Return a dataset with ``prompt``, ``completion``, ``images``, ``label`` and ``position``.

    Only positions are stored; a row is put together when it is asked for, so shuffling moves no
    pixels and memory does not grow with the data.

    Args:
        selection: which conversations, and what their labels count; without it all, equally.
        blank_images: put ``BLANK`` into every row instead of decoding its image; only for
            conversations that have one each.
        padding: rows to add at the end that fill up a batch and of which nothing is learned. Their
            position is that of a real row, as its bitwise complement (below 0).
    """
    import datasets  # takes most of a second, and whoever evaluates needs none

    chosen = selection.positions if selection else list(range(len(conversations)))
    weights = selection.weights if selection else None
    positions = datasets.Dataset.from_dict({"position": chosen + [~chosen[0]] * padding})
    return positions.with_transform(
        _Materialise(conversations, None if blank_images else images, weights)
    )


class _Materialise:
    """Turns positions into rows; a class, so that ``datasets`` can pickle it."""

    def __init__(
        self,
        conversations: Sequence[Conversation],
        images: ImageStore | None,
        weights: dict[str, float] | None,
    ):
        self._conversations, self._images, self._weights = conversations, images, weights

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        chosen = [self._conversations[max(p, ~p)] for p in batch["position"]]
        rows: dict[str, list[Any]] = {
            "position": batch["position"],
            "label": [row.label for row in chosen],
            # trl edits messages in place.
            "prompt": [copy.deepcopy(row.prompt) for row in chosen],
            "completion": [copy.deepcopy(row.completion) for row in chosen],
            "images": [images_of(row, self._images) if self._images else [BLANK] for row in chosen],
        }
        if self._weights is not None:
            rows["weight"] = [self._weights[str(row.label)] for row in chosen]
        return rows


def count_images(prompt: Sequence[Message]) -> int:
    """Return how many images a prompt's messages refer to."""
    return sum(
        part["type"] == "image"
        for message in prompt
        if not isinstance(message["content"], str)
        for part in message["content"]
    )


def images_of(conversation: Conversation, images: ImageStore) -> list[Image.Image]:
    """Decode a conversation's image; none where it is text alone, and the store is not asked."""
    return [decode(images[conversation.id])] if count_images(conversation.prompt) else []


def decode(data: bytes) -> Image.Image:
    """Decode a stored image to RGB."""
    return Image.open(io.BytesIO(data), formats=["JPEG", "WEBP"]).convert("RGB")


def without_pixels(processor: ProcessorMixin) -> ProcessorMixin:
    """Return a processor that leaves images at their size, for rows with blank images.

    Text and image tokens come out as ever; enlarging a blank image costs nearly as much as a real
    one.
    """
    cheap: Any = copy.copy(processor)
    if not hasattr(processor, "image_processor"):
        return cheap
    cheap.image_processor = copy.copy(cheap.image_processor)
    cheap.image_processor.do_resize = False
    return cheap
