"""What the frozen base makes of a record: the features that a linear probe reads."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, ProcessorMixin

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.models.chat import count_images, images_of, render_prompt
from verdict.models.load import load_model, load_processor
from verdict.params.data import Form
from verdict.params.training import ModelOptions
from verdict.records.shards import ImageStore

#: Records a forward pass. Fixed, since the last bits of a feature depend on it.
BATCH = 16

_TOWER = "vision_tower"


def base_features(
    folder: Path,
    splits: Mapping[str, Sequence[Conversation]],
    records: Mapping[str, Path],
    options: ModelOptions,
    device: str,
    form: Form = "turns",
) -> dict[str, np.ndarray]:
    """Return by split the features (records, width) of what the model in ``folder`` reads.

    Of an image they are the mean over the last hidden states of the vision tower, of several those
    of each side by side, and of a text the mean over those of the language model at the tokens of
    the prompt.

    Args:
        records: by split the folder of its records.
        device: ``cpu``, ``cuda`` or ``mps``.
        form: how the model is asked.

    Raises:
        VerdictError: the folder is missing or damaged, or its model sees no images where there are
            some.
    """
    processor = load_processor(folder, form)
    model = load_model(folder, options, device).eval()
    stores = {folder: ImageStore(folder) for folder in dict.fromkeys(records.values())}

    def features(batch: Sequence[Conversation], images: ImageStore) -> torch.Tensor:
        if count_images(batch[0].prompt):
            pictures = [picture for row in batch for picture in images_of(row, images)]
            return _seen(folder, model, processor, pictures, device).reshape(len(batch), -1)
        return _read(model, processor, [render_prompt(processor, row.prompt) for row in batch])

    with torch.no_grad():
        return {
            part: np.concatenate(
                [
                    features(batch, stores[records[part]]).cpu().double().numpy()
                    for batch in _cut(split)
                ]
            )
            for part, split in splits.items()
        }


def _cut(split: Sequence[Conversation]) -> Iterator[Sequence[Conversation]]:
    for start in range(0, len(split), BATCH):
        yield split[start : start + BATCH]


def _seen(
    folder: Path,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    pictures: Sequence[Any],
    device: str,
) -> torch.Tensor:
    named = (module for name, module in model.named_modules() if name.endswith(_TOWER))
    tower: Any = next(named, None)
    if tower is None:
        raise VerdictError(
            f"{folder} holds a {model.config.model_type} without a {_TOWER}, whose features a "
            "probe of images could read; take the kind features"
        )
    made: Any = processor
    pixels = made.image_processor(images=list(pictures), return_tensors="pt")["pixel_values"]
    hidden = tower(pixels.to(device, tower.dtype)).last_hidden_state
    # Of shape (images, patches, width), or of a convolution (images, width, height, width).
    return hidden.float().mean(dim=1 if hidden.ndim == 3 else (2, 3))


def _read(model: PreTrainedModel, processor: ProcessorMixin, prompts: list[str]) -> torch.Tensor:
    made: Any = processor
    tokens = made.tokenizer(
        prompts, padding=True, add_special_tokens=False, return_tensors="pt"
    ).to(model.device)
    mask = tokens["attention_mask"]
    hidden = model.base_model(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
    return (hidden.float() * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
