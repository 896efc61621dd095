"""Score candidate answers by their log-likelihood, the prompt and the image computed once."""

from typing import Any

import torch

#: Largest difference, a token, between two ways to compute the same score, by the model's
#: precision; a wrong position makes a larger one.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
#: What models raise that cannot read an answer after a cache; want of memory is none of these.
_CANNOT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)


class Scorer:
    """Scores candidate answers with one model.

    The prompt is computed once for all candidates, where the model can read an answer after a
    cache of keys and values: the first batch is compared with a full forward pass. Models such as
    Qwen2.5-VL cannot, since they keep positions of the prompt outside of that cache; for them each
    candidate takes a full pass.

    Attributes:
        cached: whether the model can; None before the first batch. Set, nothing is compared.
    """

    def __init__(self, model: Any, cached: bool | None = None):
        self._model = model
        self.cached = cached

    def __call__(
        self, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
    ) -> list[list[float]]:
        """Return the log-probability of each candidate answer for each row of a batch.

        Args:
            inputs: model inputs of unpadded prompts, ``input_ids`` of shape (rows, prompt tokens).
            candidates: token ids of each answer, ending with the end of the turn.

        Returns:
            For each row one sum of token log-probabilities a candidate (natural logarithm), the
            end of the turn included.
        """
        if self.cached is not False:
            try:
                scores = _after_cache(self._model, inputs, candidates)
            except torch.OutOfMemoryError:
                raise
            except _CANNOT:
                self.cached = False
            else:
                if self.cached is None:
                    self.cached = self._confirmed(inputs, candidates, scores)
                if self.cached:
                    return scores.tolist()
        return _in_full(self._model, inputs, candidates).tolist()

    def _confirmed(
        self,
        inputs: dict[str, torch.Tensor],
        candidates: list[list[int]],
        scores: torch.Tensor,
    ) -> bool:
        """Compare the longest candidate's scores with a full pass; the cost of one batch."""
        longest = max(range(len(candidates)), key=lambda index: len(candidates[index]))
        expected = _in_full(self._model, inputs, [candidates[longest]])[:, 0]
        difference = (scores[:, longest] - expected).abs().max() / len(candidates[longest])
        return float(difference) <= _TOLERANCE[self._model.dtype]


@torch.inference_mode()
def _after_cache(
    model: Any, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
) -> torch.Tensor:
    """Return scores of shape (rows, candidates) from one pass over prompts, one over answers."""
    prompt = model(**inputs, use_cache=True, logits_to_keep=1)
    rows, count = inputs["input_ids"].shape[0], len(candidates)
    width = max(len(candidate) for candidate in candidates)
    device = inputs["input_ids"].device
    ids = torch.zeros(count, width, dtype=torch.long, device=device)
    real = torch.zeros(count, width, dtype=torch.bool, device=device)
    for index, candidate in enumerate(candidates):
        ids[index, : len(candidate)] = torch.tensor(candidate, device=device)
        real[index, : len(candidate)] = True
    ids, real = ids.repeat(rows, 1), real.repeat(rows, 1)
    prompt.past_key_values.batch_repeat_interleave(count)
    mask = torch.cat([inputs["attention_mask"].repeat_interleave(count, 0), real.long()], dim=1)
    answer = model(
        input_ids=ids, attention_mask=mask, past_key_values=prompt.past_key_values, use_cache=True
    )
    # The last prompt position predicts the first answer token, and so on.
    logits = torch.cat([prompt.logits.repeat_interleave(count, 0), answer.logits[:, :-1]], dim=1)
    log_probabilities = logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    total = torch.where(real, log_probabilities, 0.0).sum(-1, dtype=torch.float64)
    return total.view(rows, count)


@torch.inference_mode()
def _in_full(
    model: Any, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
) -> torch.Tensor:
    """Return scores of shape (rows, candidates) from one pass a candidate, prompt included."""
    totals = []
    for candidate in candidates:
        answer = torch.tensor(candidate, device=inputs["input_ids"].device)
        answer = answer.expand(len(inputs["input_ids"]), -1)
        whole = dict(inputs)
        for name, value in inputs.items():
            if name == "input_ids":
                whole[name] = torch.cat([value, answer], dim=1)
            elif name == "attention_mask":
                whole[name] = torch.cat([value, torch.ones_like(answer, dtype=value.dtype)], dim=1)
            elif name.endswith("token_type_ids"):
                whole[name] = torch.cat([value, torch.zeros_like(answer, dtype=value.dtype)], dim=1)
        logits = model(**whole, use_cache=False, logits_to_keep=len(candidate) + 1).logits[:, :-1]
        scores = logits.float().log_softmax(-1).gather(-1, answer[..., None])[..., 0]
        totals.append(scores.sum(-1, dtype=torch.float64))
    return torch.stack(totals, dim=1)
