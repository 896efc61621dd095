"""Score candidate answers by their log-likelihood, the prompt and the image computed once."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

#: Largest difference, a token, between two ways to compute the same score, by the model's
#: precision; a wrong position makes a larger one.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
#: What models raise that cannot read on after a cache; want of memory is none of these.
_CANNOT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)
#: The ways to compute the same scores, the quickest first.
_WAYS = ("shared", "cached", "full")


class Scorer:
    """Scores candidate answers with one model.

    What all prompts of a batch begin with, up to their first image, is computed once for the
    batch; the rest of the prompt once for all candidates. Not every model can read on after a
    cache of keys and values: Qwen2.5-VL keeps positions of the prompt outside of it, so that each
    candidate takes a full pass. So the first batch of each kind is compared with one.

    Attributes:
        ways: for each kind of batch (the names of its inputs) how it is scored: ``shared`` (as
            above), ``cached`` (each prompt whole, once for all candidates) or ``full``. The slowest
            holds for all, since what one kind leaves in a model may mislead the next. Of a kind
            that stands here nothing is compared any more.
    """

    def __init__(self, model: Any, ways: Mapping[str, str] | None = None):
        self._model = model
        self.ways = dict(ways or {})

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
        kind = " ".join(sorted(inputs))
        slowest = max((_WAYS.index(way) for way in self.ways.values()), default=0)
        if kind in self.ways:
            return self._scores(_WAYS[slowest], inputs, candidates).tolist()
        self.ways[kind], scores = self._decide(_WAYS[slowest:], inputs, candidates)
        return scores.tolist()

    def _decide(
        self,
        ways: Sequence[str],
        inputs: dict[str, torch.Tensor],
        candidates: list[list[int]],
    ) -> tuple[str, torch.Tensor]:
        """Return the first way that gives the longest candidate's scores, and the scores."""
        expected: torch.Tensor | None = None
        longest = max(range(len(candidates)), key=lambda index: len(candidates[index]))
        for way in ways[:-1]:
            try:
                scores = self._scores(way, inputs, candidates)
            except torch.OutOfMemoryError:
                raise
            except _CANNOT:
                continue
            if expected is None:
                expected = _in_full(self._model, inputs, [candidates[longest]])[:, 0]
            difference = (scores[:, longest] - expected).abs().max() / len(candidates[longest])
            if float(difference) <= _TOLERANCE[self._model.dtype]:
                return way, scores
        return ways[-1], self._scores(ways[-1], inputs, candidates)

    def _scores(
        self, way: str, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
    ) -> torch.Tensor:
        if way == "full":
            return _in_full(self._model, inputs, candidates)
        shared = _shared_tokens(self._model, inputs) if way == "shared" else 0
        return _after_cache(self._model, inputs, candidates, shared)


def _shared_tokens(model: Any, inputs: dict[str, torch.Tensor]) -> int:
    """Return how many tokens all prompts of a batch begin with, ahead of any image or sound."""
    ids = inputs["input_ids"]
    if len(ids) == 1:
        return 0
    differs = (ids != ids[:1]).any(0)
    for name in ("image_token_id", "audio_token_id", "video_token_id"):
        if (token := getattr(model.config, name, None)) is not None:
            differs |= ids[0] == token
    # The last token is never shared: its logits, of every row, predict the answer's first.
    differs[-1] = True
    return int(differs.int().argmax())


def _prompt(model: Any, inputs: dict[str, torch.Tensor], shared: int) -> Any:
    """Return the model's output at the end of the prompts, with its cache of all before it."""
    if not shared:
        return model(**inputs, use_cache=True, logits_to_keep=1)
    ids = inputs["input_ids"]
    past = model(input_ids=ids[:1, :shared], use_cache=True, logits_to_keep=1).past_key_values
    past.batch_repeat_interleave(len(ids))
    # The mask and token_type_ids stay whole: they say what each position attends to.
    rest = {**inputs, "input_ids": ids[:, shared:]}
    return model(**rest, past_key_values=past, use_cache=True, logits_to_keep=1)


@torch.inference_mode()
def _after_cache(
    model: Any, inputs: dict[str, torch.Tensor], candidates: list[list[int]], shared: int
) -> torch.Tensor:
    """Return scores of shape (rows, candidates) from one pass over prompts, one over answers."""
    prompt = _prompt(model, inputs, shared)
    rows, count = inputs["input_ids"].shape[0], len(candidates)
    width = max(len(candidate) for candidate in candidates)
    device = inputs["input_ids"].device
    ids = torch.zeros(count, width, dtype=torch.long, device=device)
    real = torch.zeros(count, width, dtype=torch.bool, device=device)
    for index, candidate in enumerate(candidates):
        ids[index, : len(candidate)] = torch.tensor(candidate, device=device)
        real[index, : len(candidate)] = True
    ids, real = ids.repeat(rows, 1), real.repeat(rows, 1)
    # The last prompt position predicts the first answer token, and so on; after the last token
    # nothing is asked.
    logits = prompt.logits.repeat_interleave(count, 0)
    if width > 1:
        past = prompt.past_key_values
        past.batch_repeat_interleave(count)
        mask = inputs["attention_mask"].repeat_interleave(count, 0)
        answer = model(
            input_ids=ids[:, :-1],
            attention_mask=torch.cat([mask, real[:, :-1].long()], dim=1),
            past_key_values=past,
            use_cache=True,
        )
        logits = torch.cat([logits, answer.logits], dim=1)
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
