"""Ask a classifier: the log-probability of every label, from one forward pass."""

from collections.abc import Sequence
from typing import Any

import torch


@torch.inference_mode()
def classify(
    model: Any, inputs: dict[str, torch.Tensor], outputs: Sequence[str], labels: Sequence[str]
) -> list[list[float]]:
    """Return the log-probability of each label for each row of a batch of unpadded prompts.

    Args:
        outputs: the labels in the order of the model's outputs.
        labels: the same labels in the order that is wanted.

    Returns:
        For each row one natural logarithm a label; their exponentials sum to 1.
    """
    logits = model(**inputs, use_cache=False).logits
    columns = [outputs.index(label) for label in labels]
    return logits.double().log_softmax(-1)[:, columns].tolist()
