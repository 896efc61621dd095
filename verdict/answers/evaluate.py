"""Ask a model about every record: scoring the candidates and generating, or classifying."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from verdict.answers.classify import classify
from verdict.answers.generate import generate_answers
from verdict.answers.parse import Parsed, parse_answer
from verdict.answers.prompts import Batch, answer_of, batches, candidate_ids, end_of_turn_id
from verdict.answers.score import Scorer
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

    A classifier writes nothing: ``generated`` is empty, and ``parsed`` its likeliest label. Where
    the task is free text, there is nothing to score or parse: the model only writes.

    Raises:
        VerdictError: a classifier whose labels are not those of ``answers``.
    """
    if loaded.labels is not None and set(loaded.labels) != set(answers.labels):
        raise VerdictError(
            f"{name} is a classifier for {', '.join(loaded.labels)}, but format.answers has "
            f"{', '.join(answers.labels) or 'no labels'}; run `dvc repro train`"
        )
    ask = _way_to_ask(loaded, answers, max_new_tokens)
    rows: list[dict[str, Any]] = []
    with progress("evaluate", len(conversations), "records") as bar:
        for batch in batches(loaded.processor, conversations, images, batch_size, device):
            rows.extend(ask(batch))
            bar.advance(len(batch.conversations))
    positive = answers.positive if len(answers.labels) == 2 else None
    return make_predictions(name, answers.labels, positive, rows)


def _way_to_ask(
    loaded: Loaded, answers: Answers, max_new_tokens: int
) -> Callable[[Batch], Iterator[dict[str, Any]]]:
    if loaded.labels is not None:
        return lambda batch: _classify(loaded, batch, answers)
    if not answers.labels:
        return lambda batch: _let_write(loaded, batch, max_new_tokens)
    scorer = Scorer(loaded.model)
    return lambda batch: _ask(loaded, scorer, batch, answers, max_new_tokens)


def _ask(
    loaded: Loaded, scorer: Scorer, batch: Batch, answers: Answers, max_new_tokens: int
) -> Iterator[dict[str, Any]]:
    candidates = candidate_ids(loaded.processor, batch.conversations[0].prompt, answers)
    scores = scorer(batch.inputs, candidates)
    texts = _write(loaded, batch, max_new_tokens)
    for conversation, score, text in zip(batch.conversations, scores, texts, strict=True):
        yield _row(conversation, score, text, parse_answer(text, answers))


def _let_write(loaded: Loaded, batch: Batch, max_new_tokens: int) -> Iterator[dict[str, Any]]:
    texts = _write(loaded, batch, max_new_tokens)
    for conversation, text in zip(batch.conversations, texts, strict=True):
        row = _row(conversation, [], text, Parsed(None, None if text else "empty"))
        yield {**row, "label": None}


def _write(loaded: Loaded, batch: Batch, max_new_tokens: int) -> list[str]:
    return generate_answers(
        loaded.model,
        loaded.processor,
        batch.inputs,
        end_of_turn=end_of_turn_id(loaded.processor, batch.conversations[0].prompt),
        max_new_tokens=max_new_tokens,
    )


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
        "answer": answer_of(conversation),
        "generated": text,
        "parsed": parsed.label,
        "invalid_reason": parsed.reason,
        "log_probabilities": scores,
        "attributes": conversation.attributes,
        "prompt_sha256": conversation.prompt_sha256,
    }
