"""Ask a model about every record: scoring the candidates and generating, or classifying."""

from collections.abc import Iterator, Sequence
from typing import Any

from verdict.answers.classify import classify
from verdict.answers.generate import generate_answers
from verdict.answers.parse import Parsed, parse_answer
from verdict.answers.prompts import Batch, batches, candidate_ids
from verdict.answers.score import score_candidates
from verdict.errors import VerdictError
from verdict.models.inference import Loaded
from verdict.predictions import Predictions, make_predictions
from verdict.progress import progress
from verdict.records.conversations import Answers, Conversation
from verdict.records.shards import ImageStore


def predict(
    name: str,
    loaded: Loaded,
    conversations: Sequence[Conversation],
    images: ImageStore,
    answers: Answers,
    *,
    batch_size: int,
    max_new_tokens: int,
    device: str,
) -> Predictions:
    """Return one prediction a conversation, under the model's ``name``.

    A classifier writes nothing: ``generated`` is empty, and ``parsed`` its likeliest label.

    Raises:
        VerdictError: a classifier whose labels are not those of ``answers``.
    """
    if loaded.labels is not None and set(loaded.labels) != set(answers.labels):
        raise VerdictError(
            f"{name} is a classifier for {', '.join(loaded.labels)}, but format.answers has "
            f"{', '.join(answers.labels)}; run `dvc repro train`"
        )
    rows: list[dict[str, Any]] = []
    with progress("evaluate", len(conversations), "records") as bar:
        for batch in batches(loaded.processor, conversations, images, batch_size, device):
            if loaded.labels is None:
                rows.extend(_ask(loaded, batch, answers, max_new_tokens))
            else:
                rows.extend(_classify(loaded, batch, answers))
            bar.advance(len(batch.conversations))
    positive = answers.positive if len(answers.labels) == 2 else None
    return make_predictions(name, answers.labels, positive, rows)


def _ask(
    loaded: Loaded, batch: Batch, answers: Answers, max_new_tokens: int
) -> Iterator[dict[str, Any]]:
    candidates = candidate_ids(loaded.processor, batch.conversations[0].prompt, answers)
    scores = score_candidates(loaded.model, batch.inputs, candidates)
    texts = generate_answers(
        loaded.model,
        loaded.processor,
        batch.inputs,
        end_of_turn=candidates[0][-1],
        max_new_tokens=max_new_tokens,
    )
    for conversation, score, text in zip(batch.conversations, scores, texts, strict=True):
        yield _row(conversation, score, text, parse_answer(text, answers))


def _classify(loaded: Loaded, batch: Batch, answers: Answers) -> Iterator[dict[str, Any]]:
    assert loaded.labels is not None
    scores = classify(loaded.model, batch.inputs, loaded.labels, answers.labels)
    for conversation, score in zip(batch.conversations, scores, strict=True):
        likeliest = answers.labels[score.index(max(score))]
        yield _row(conversation, score, "", Parsed(likeliest, None))


def _row(
    conversation: Conversation, scores: list[float], text: str, parsed: Parsed
) -> dict[str, Any]:
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
