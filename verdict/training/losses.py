"""The loss of every learned token or row, before anything is averaged."""

from typing import Any

import torch
from torch.nn import functional


def answer_losses(
    model: Any, inputs: dict[str, Any], label_smoothing: float = 0.0
) -> tuple[Any, torch.Tensor]:
    """Return the model's outputs, and the loss of each answer token.

    Args:
        inputs: the model's inputs, with ``labels`` of shape (rows, tokens), -100 where nothing is
            learned.

    Returns:
        Losses of shape (rows, tokens from the first learned one on), 0 where nothing is learned.
    """
    labels = inputs["labels"]
    learned = labels.ne(-100).any(0).nonzero()
    # A batch of padding alone learns nothing.
    first = int(learned[0]) if len(learned) else labels.shape[1] - 1
    # Logits from the answer's first token on: those of the prompt and the image are many, and
    # nothing is learned from them. (trl's fused head keeps fewer still, but takes a sixth longer
    # for each step of a tiny model.)
    outputs = model(
        **{name: value for name, value in inputs.items() if name != "labels"},
        logits_to_keep=labels.shape[1] - first + 1,
        use_cache=False,
    )
    losses = functional.cross_entropy(
        outputs.logits[:, :-1].float().flatten(0, 1),
        labels[:, first:].flatten(),
        ignore_index=-100,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    return outputs, losses.view(labels.shape[0], -1)


def label_losses(
    model: Any, inputs: dict[str, Any], label_smoothing: float = 0.0
) -> tuple[Any, torch.Tensor]:
    """Return a classifier's outputs, and the loss of each row.

    Args:
        inputs: the model's inputs, with ``labels`` of shape (rows,), -100 where nothing is learned.

    Returns:
        Losses of shape (rows,), 0 where nothing is learned.
    """
    outputs = model(
        **{name: value for name, value in inputs.items() if name != "labels"}, use_cache=False
    )
    losses = functional.cross_entropy(
        outputs.logits.float(),
        inputs["labels"],
        ignore_index=-100,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    return outputs, losses
