"""From rows to the tensors of one batch, for models that write and for models that classify."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from transformers import ProcessorMixin
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from verdict.models.rows import BLANK, without_pixels

#: Not inputs of the model: which rows these are, and what each counts in the loss.
POSITIONS, WEIGHTS = "positions", "weights"


class Collator:
    """Makes a batch of rows from :func:`verdict.models.rows.training_rows`.

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
