"""Score candidate answers by their log-likelihood, the prompt and the image computed once."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from verdict.answers.prefill import CANNOT, Prefill, positions, read_prompts

#: Largest difference, a token, between two ways to compute the same score, by the model's
#: precision; a wrong position makes a larger one.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
#: The ways to compute the same scores, the quickest first.
_WAYS = ("packed", "shared", "cached", "full")


def exact(values: torch.Tensor) -> torch.Tensor:
    """Return values where they can be added up in float64: Apple's GPU has none."""
    return values.cpu() if values.device.type == "mps" else values


class Scorer:
    """Scores candidate answers with one model.

    What all prompts of a batch begin with, up to their first image, is computed once for the
    batch; the rest of the prompt once for all candidates; and the candidates stand in one row, each
    hidden from the others. Not every model can read on after a cache of keys and values: Qwen2.5-VL
    keeps positions of the prompt outside of it, so that each candidate takes a full pass. So the
    first batch of each kind is compared with one.

    Attributes:
        ways: for each kind of batch (the names of its inputs) how it is scored: ``packed`` (as
            above), ``shared`` (the same, with a copy of the cache for each candidate), ``cached``
            (that, and each prompt read whole) or ``full``. The slowest holds for all, since what
            one kind leaves in a model may mislead the next. Of a kind that stands here nothing is
            compared any more.
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
        return self.read(inputs, candidates)[0]

    def read(
        self, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
    ) -> tuple[list[list[float]], Prefill | None]:
        """Return the same, and what was read of the prompts; None after full passes."""
        kind = " ".join(sorted(inputs))
        slowest = max((_WAYS.index(way) for way in self.ways.values()), default=0)
        if kind in self.ways:
            scores, read = self._scores(_WAYS[slowest], inputs, candidates)
        else:
            self.ways[kind], scores, read = self._decide(_WAYS[slowest:], inputs, candidates)
        return scores.tolist(), read

    def _decide(
        self,
        ways: Sequence[str],
        inputs: dict[str, torch.Tensor],
        candidates: list[list[int]],
    ) -> tuple[str, torch.Tensor, Prefill | None]:
        """Return the first way that gives the longest candidate's scores, and what it gives."""
        expected: torch.Tensor | None = None
        longest = max(range(len(candidates)), key=lambda index: len(candidates[index]))
        for way in ways[:-1]:
            try:
                scores, read = self._scores(way, inputs, candidates)
            except torch.OutOfMemoryError:
                raise
            except CANNOT:
                continue
            if expected is None:
                expected = _in_full(self._model, inputs, [candidates[longest]])[:, 0]
            difference = (scores[:, longest] - expected).abs().max() / len(candidates[longest])
            if float(difference) <= _TOLERANCE[self._model.dtype]:
                return way, scores, read
        return ways[-1], *self._scores(ways[-1], inputs, candidates)

    def _scores(
        self, way: str, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
    ) -> tuple[torch.Tensor, Prefill | None]:
        if way == "full":
            return _in_full(self._model, inputs, candidates), None
        read = read_prompts(self._model, inputs, shared=way != "cached")
        packed = way == "packed" and _fit_a_window(self._model, read, candidates)
        after = _packed if packed else _one_by_one
        return after(self._model, read, candidates), read


def _fit_a_window(model: Any, read: Prefill, candidates: list[list[int]]) -> bool:
    """Say whether every position may see all before it: a mask of our own leaves no window out."""
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    tokens = read.ids.shape[1] + sum(len(candidate) - 1 for candidate in candidates)
    return all(tokens <= window for window in windows if window is not None)


@torch.inference_mode()
def _packed(model: Any, read: Prefill, candidates: list[list[int]]) -> torch.Tensor:
    """Return scores of shape (rows, candidates) from one pass with all answers behind one another.

    What stands there is the prompt's last token, which every answer sees, and of each answer all
    tokens but the last, which its own alone see.
    """
    rows, prompt = read.ids.shape
    device = read.ids.device
    # The longest is the last, so that the comparison with a full pass would show any that it sees.
    order = sorted(range(len(candidates)), key=lambda index: len(candidates[index]))
    owner, tokens, places = [-1], [], [0]
    at: dict[int, list[int]] = {}
    for index in order:
        inner = candidates[index][:-1]
        at[index] = [0, *range(len(owner), len(owner) + len(inner))]
        owner += [index] * len(inner)
        places += range(1, len(inner) + 1)
        tokens += inner
    width = len(owner)
    of = torch.tensor(owner, device=device)
    sees = (of[:, None] == of) | (of == -1)
    sees = torch.cat([sees.new_ones(width, prompt - 1), sees.tril()], dim=1)
    hidden = torch.zeros(sees.shape, dtype=model.dtype, device=device)
    hidden = hidden.masked_fill(~sees, torch.finfo(model.dtype).min)
    answers = torch.tensor(tokens, dtype=torch.long, device=device).expand(rows, -1)
    logits = model(
        input_ids=torch.cat([read.ids[:, -1:], answers], dim=1),
        attention_mask=hidden.expand(rows, 1, -1, -1),
        position_ids=(torch.tensor(places, device=device) + prompt - 1).expand(rows, -1),
        past_key_values=read.cache(),
        use_cache=True,
    ).logits
    log_probabilities = logits.float().log_softmax(-1)
    totals = [
        exact(log_probabilities[:, at[index], candidate]).sum(-1, dtype=torch.float64)
        for index, candidate in enumerate(candidates)
    ]
    return torch.stack(totals, dim=1)


@torch.inference_mode()
def _one_by_one(model: Any, read: Prefill, candidates: list[list[int]]) -> torch.Tensor:
    """Return scores of shape (rows, candidates) from one pass with each answer in its own row."""
    rows, count = len(read.ids), len(candidates)
    width = max(len(candidate) for candidate in candidates)
    device = read.ids.device
    ids = torch.zeros(count, width, dtype=torch.long, device=device)
    real = torch.zeros(count, width, dtype=torch.bool, device=device)
    for index, candidate in enumerate(candidates):
        ids[index, : len(candidate)] = torch.tensor(candidate, device=device)
        real[index, : len(candidate)] = True
    ids, real = ids.repeat(rows, 1), real.repeat(rows, 1)
    past = read.cache()
    past.batch_repeat_interleave(count)
    # The last prompt position predicts the first answer token, and so on; after the last token
    # nothing is asked. What fills up a row stands behind its answer, which does not see it.
    before = read.ids.shape[1] - 1
    logits = model(
        input_ids=torch.cat([read.ids[:, -1:].repeat_interleave(count, 0), ids[:, :-1]], dim=1),
        position_ids=positions(ids, before, before + width),
        past_key_values=past,
        use_cache=True,
    ).logits
    log_probabilities = logits.float().log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    kept = torch.where(real, log_probabilities, 0.0)
    total = exact(kept).sum(-1, dtype=torch.float64)
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
        totals.append(exact(scores).sum(-1, dtype=torch.float64))
    return torch.stack(totals, dim=1)
