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
        Losses of shape (rows, places where any row learns a token), 0 where a row does not.
    """
    labels = inputs["labels"]
    places = labels.ne(-100).any(0).nonzero().squeeze(1)
    if not len(places):
        # A batch of padding alone learns nothing.
        places = torch.tensor([labels.shape[1] - 1], device=labels.device)
    # Logits of these places alone: over a vocabulary of 262,144 words, those of the prompt, of the
    # image and of what fills up shorter rows would take most of the memory. (trl's fused head keeps
    # fewer still, but takes a sixth longer for each step of a tiny model.)
    outputs = model(
        **{name: value for name, value in inputs.items() if name != "labels"},
        logits_to_keep=places - 1,
        use_cache=False,
    )
    losses = functional.cross_entropy(
        outputs.logits.float().flatten(0, 1),
        labels[:, places].flatten(),
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
