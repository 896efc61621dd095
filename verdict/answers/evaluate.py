"""Ask a model about every record, in both ways: scoring the candidates, and generating."""

from collections.abc import Sequence
from typing import Any

from transformers import ProcessorMixin

from verdict.answers.generate import generate_answers
from verdict.answers.parse import parse_answer
from verdict.answers.prompts import batches, candidate_ids
from verdict.answers.score import score_candidates
from verdict.predictions import Predictions, make_predictions
from verdict.progress import progress
from verdict.records.conversations import Answers, Conversation
from verdict.records.shards import ImageStore


def predict(
    name: str,
    model: Any,
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    images: ImageStore,
    answers: Answers,
    *,
    batch_size: int,
    max_new_tokens: int,
    device: str,
) -> Predictions:
    """Return one prediction a conversation, under the model's ``name``."""
    rows = []
    with progress("evaluate", len(conversations), "records") as bar:
        for batch in batches(processor, conversations, images, batch_size, device):
            candidates = candidate_ids(processor, batch.conversations[0].prompt, answers)
            scores = score_candidates(model, batch.inputs, candidates)
            texts = generate_answers(
                model,
                processor,
                batch.inputs,
                end_of_turn=candidates[0][-1],
                max_new_tokens=max_new_tokens,
            )
            for row, score, text in zip(batch.conversations, scores, texts, strict=True):
                rows.append(_row(row, score, text, answers))
            bar.advance(len(batch.conversations))
    positive = answers.positive if len(answers.labels) == 2 else None
    return make_predictions(name, answers.labels, positive, rows)


def _row(
    conversation: Conversation, scores: list[float], text: str, answers: Answers
) -> dict[str, Any]:
    parsed = parse_answer(text, answers)
    return {
        "id": conversation.id,
        "group": conversation.group,
        "label": conversation.label,
        "generated": text,
        "parsed": parsed.label,
        "invalid_reason": parsed.reason,
        "log_probabilities": scores,
        "attributes": conversation.attributes,
        "prompt_sha256": conversation.prompt_sha256,
    }
