"""The rows of training: which are chosen, how they are put together, and how a batch comes of them.

Images are decoded only when a batch needs them.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import datasets
import numpy as np
import torch
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight
from transformers import ProcessorMixin
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.models.chat import count_images, images_of
from verdict.records.shards import ImageStore

Method = Literal["none", "undersample", "oversample", "weighted_loss"]

#: Stands where an image would, when the model is given its features instead.
BLANK = Image.new("RGB", (1, 1))
#: Not inputs of the model: which rows these are, and what each counts in the loss.
POSITIONS, WEIGHTS = "positions", "weights"


@dataclass(frozen=True)
class Selection:
    """The rows to train on.

    Attributes:
        positions: indices of the chosen rows, ascending; a repeated row stands there repeatedly.
        weights: what each label's rows count in the loss; averages 1 over the rows.
        before, after: rows a label.
    """

    positions: list[int]
    weights: dict[str, float] | None
    before: dict[str, int]
    after: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """Return what was done, for a metrics file."""
        rounded = self.weights and {label: round(w, 6) for label, w in self.weights.items()}
        return {"rows_before": self.before, "rows_after": self.after, "label_weights": rounded}


def select_rows(labels: Sequence[str | None], method: Method, seed: int) -> Selection:
    """Choose training rows, a function of the arguments alone.

    ``undersample`` draws as many rows of each label as the rarest has, without repeating any (as
    the published BreakHis run); ``oversample`` keeps all and repeats rows of rarer labels, each
    equally often but for a drawn remainder; ``weighted_loss`` keeps all and weighs label ``c`` by
    rows / (labels × rows of c).

    Raises:
        VerdictError: a method other than ``none`` for rows without labels, or with only one.
    """
    before = Counter(str(label) for label in labels)
    everything = list(range(len(labels)))
    if method == "none":
        return Selection(everything, None, _sorted(before), _sorted(before))
    if None in labels or len(before) < 2:
        seen = "rows without a label" if None in labels else f"only {', '.join(before)}"
        raise VerdictError(
            f"train.class_imbalance is {method}, which needs rows of at least two labels; the "
            f"training split has {seen}; set it to none"
        )
    if method == "weighted_loss":
        names = np.array(sorted(before))
        values = compute_class_weight("balanced", classes=names, y=np.array(labels))
        weights = dict(zip(names.tolist(), values.tolist(), strict=True))
        return Selection(everything, weights, _sorted(before), _sorted(before))
    rows = {label: [i for i in everything if labels[i] == label] for label in sorted(before)}
    size = (min if method == "undersample" else max)(before.values())
    positions = []
    for offset, own in enumerate(rows.values()):
        whole, rest = divmod(size, len(own))
        # Another draw for each label, so that labels of equal size are not drawn in step.
        generator = np.random.default_rng([seed, offset])
        positions += own * whole + generator.choice(own, rest, replace=False).tolist()
    positions.sort()
    after = Counter(str(labels[position]) for position in positions)
    return Selection(positions, None, _sorted(before), _sorted(after))


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def training_rows(
    conversations: Sequence[Conversation],
    images: ImageStore,
    selection: Selection | None = None,
    *,
    blank_images: bool = False,
    padding: int = 0,
) -> datasets.Dataset:
    """Return a dataset with ``prompt``, ``completion``, ``images``, ``label`` and ``position``.

    Only positions are stored; a row is put together when it is asked for, so shuffling moves no
    pixels and memory does not grow with the data.

    Args:
        selection: which conversations, and what their labels count; without it all, equally.
        blank_images: put ``BLANK`` into every row instead of decoding its images.
        padding: rows to add at the end that fill up a batch and of which nothing is learned. Their
            position is that of a real row, as its bitwise complement (below 0).
    """
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
            "images": [self._pictures(row) for row in chosen],
        }
        if self._weights is not None:
            rows["weight"] = [self._weights[str(row.label)] for row in chosen]
        return rows

    def _pictures(self, row: Conversation) -> list[Image.Image]:
        if self._images is None:
            return [BLANK] * count_images(row.prompt)
        return images_of(row, self._images)


class Collator:
    """Makes a batch of rows from :func:`training_rows`.

    A batch holds the processor's tensors, ``labels`` and ``positions`` of shape (rows,), and
    ``weights`` of shape (rows,) where rows have one. ``labels`` has shape (rows, tokens) with -100
    outside the answer and its end of turn; for a classifier shape (rows,), an index into the
    model's labels. A row of padding (position below 0) has -100 throughout.

    Args:
        labels: a classifier's labels, in the order of its outputs; None for a model that writes.
    """

    def __init__(self, processor: ProcessorMixin, labels: Sequence[str] | None = None):
        self._labels = labels
        self._whole = _Pair.of(processor)
        self._blank = _Pair.of(without_pixels(processor))

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        positions = torch.tensor([row.pop("position") for row in rows])
        labels = [row.pop("label") for row in rows]
        weights = [row.pop("weight") for row in rows if "weight" in row]
        # Rows of a run that has its vision features already come with blank images; those of the
        # validation split with their own.
        blank = any(image is BLANK for image in rows[0]["images"])
        pair = self._blank if blank else self._whole
        if self._labels is None:
            batch = dict(pair.written(rows))
        else:
            indices = [self._labels.index(label) for label in labels]
            batch = {**_prompts(pair.processor, rows), "labels": torch.tensor(indices)}
        batch[POSITIONS] = positions
        # Rows that only fill up a batch teach nothing.
        batch["labels"][positions < 0] = -100
        if weights:
            batch[WEIGHTS] = torch.tensor(weights, dtype=torch.float32)
        return batch


@dataclass(frozen=True)
class _Pair:
    """A processor, and trl's collator around it."""

    processor: ProcessorMixin
    written: DataCollatorForVisionLanguageModeling

    @classmethod
    def of(cls, processor: ProcessorMixin) -> Self:
        # A cut row loses image tokens or its answer, silently: no max_length.
        collator = DataCollatorForVisionLanguageModeling(
            processor, max_length=None, completion_only_loss=True
        )
        return cls(processor, collator)


def _prompts(processor: ProcessorMixin, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    texts = [
        processor.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
        for row in rows
    ]
    images = [row["images"] for row in rows]
    batch: Any = processor(
        images=images if any(images) else None,
        text=texts,
        padding=True,
        padding_side="right",
        return_tensors="pt",
        # The template has written BOS already.
        add_special_tokens=False,
    )
    return dict(batch)


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
