"""Score candidate answers by their log-likelihood, the prompt and the image computed once."""

from typing import Any

import torch


@torch.inference_mode()
def score_candidates(
    model: Any, inputs: dict[str, torch.Tensor], candidates: list[list[int]]
) -> list[list[float]]:
    """Return the log-probability of each candidate answer for each row of a batch.

    Args:
        inputs: model inputs of unpadded prompts, ``input_ids`` of shape (rows, prompt tokens).
        candidates: token ids of each answer, ending with the end of the turn.

    Returns:
        For each row one sum of token log-probabilities a candidate (natural logarithm).
    """
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
    return total.view(rows, count).tolist()
