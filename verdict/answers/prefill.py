"""Read the prompts of a batch once, whatever is asked of the model afterwards."""

import copy
from dataclasses import dataclass
from typing import Any

import torch

#: What models raise that cannot read on after a cache; want of memory is none of these.
CANNOT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class Prefill:
    """What a model has read of a batch: all tokens of the prompts but the last.

    With the last token the model reads on, since what it says there is the answer's beginning.

    Attributes:
        ids: token ids of the whole prompts, of shape (rows, prompt tokens).
    """

    ids: torch.Tensor
    _cache: Any

    def cache(self) -> Any:
        """Return keys and values of what was read; who reads on leaves other copies as they are."""
        copied = copy.copy(self._cache)
        # A layer that grows gets new tensors: what two copies share is never written to.
        copied.layers = [copy.copy(layer) for layer in copied.layers]
        return copied


@torch.inference_mode()
def read_prompts(model: Any, inputs: dict[str, torch.Tensor], *, shared: bool) -> Prefill:
    """Let a model read a batch of unpadded prompts, with their images.

    Args:
        inputs: model inputs, ``input_ids`` of shape (rows, prompt tokens).
        shared: read what all prompts begin with, up to the first image, for one row alone.
    """
    ids = inputs["input_ids"]
    # Without padding a mask says nothing, and takes time.
    read = {
        name: value[:, :-1] if name.endswith("token_type_ids") else value
        for name, value in inputs.items()
        if name != "attention_mask"
    }
    begin = shared_tokens(model, inputs) if shared else 0
    past = None
    if begin:
        # Positions are given wherever a cache is: some models remember those of an earlier batch.
        read["position_ids"] = positions(ids, begin, ids.shape[1] - 1)
        past = model(input_ids=ids[:1, :begin], use_cache=True, logits_to_keep=1).past_key_values
        past.batch_repeat_interleave(len(ids))
    # token_type_ids stay whole: they say what each position attends to.
    read["input_ids"] = ids[:, begin:-1]
    output = model(**read, past_key_values=past, use_cache=True, logits_to_keep=1)
    return Prefill(ids, output.past_key_values)


def positions(ids: torch.Tensor, begin: int, end: int) -> torch.Tensor:
    """Return the positions from ``begin`` up to ``end``, for each row of ``ids``."""
    return torch.arange(begin, end, device=ids.device).expand(len(ids), -1)


def shared_tokens(model: Any, inputs: dict[str, torch.Tensor]) -> int:
    """Return how many tokens all prompts of a batch begin with, ahead of any image or sound."""
    ids = inputs["input_ids"]
    if len(ids) == 1:
        return 0
    differs = (ids != ids[:1]).any(0)
    for name in ("image_token_id", "audio_token_id", "video_token_id"):
        if (token := getattr(model.config, name, None)) is not None:
            differs |= ids[0] == token
    # The last two are never shared: one is read on with, and one is left to read after these.
    differs[-2:] = True
    return int(differs.int().argmax())
