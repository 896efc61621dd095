"""Ask a model about every record: scoring the candidates and generating, or classifying."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from verdict.answers.classify import classify
from verdict.answers.generate import generate_answers
from verdict.answers.parse import Parsed, parse_answer
from verdict.answers.parts import Parts
from verdict.answers.prompts import (
    Batch,
    answer_of,
    candidate_ids,
    end_of_turn_id,
    plan_batches,
    prepare,
)
from verdict.answers.score import Scorer
from verdict.errors import VerdictError
from verdict.models.inference import Loaded
from verdict.predictions import Predictions, make_predictions
from verdict.progress import progress
from verdict.records.conversations import Answers, Conversation
from verdict.records.shards import ImageStore


class Answered(NamedTuple):
    """What a model gave for one record: a score for each label, and the text it wrote."""

    scores: list[float]
    text: str


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
    length_normalization: str = "none",
    parts: Parts | None = None,
) -> Predictions:
    """Return one prediction a conversation, under the model's ``name``.

    A classifier writes nothing: ``generated`` is empty, and ``parsed`` its likeliest label. Where
    the task is free text, there is nothing to score or parse: the model only writes.

    The batch size changes no answer. It moves log-probabilities in their last digits (by less than
    0.0001 in float32), since a matrix product adds up in another order for another shape; two runs
    with one batch size are equal to the bit.

    Args:
        length_normalization: ``tokens`` divides each candidate's log-likelihood by its number of
            tokens, the end of the turn included; ``none`` leaves it.
        parts: where finished batches are kept, and found again by a run that goes on; None keeps
            nothing.

    Raises:
        VerdictError: a classifier whose labels are not those of ``answers``.
    """
    if loaded.labels is not None and set(loaded.labels) != set(answers.labels):
        raise VerdictError(
            f"{name} is a classifier for {', '.join(loaded.labels)}, but format.answers has "
            f"{', '.join(answers.labels) or 'no labels'}; run `dvc repro train`"
        )
    scored = loaded.labels is None and bool(answers.labels)
    ask = _Asker(loaded, answers, max_new_tokens, by_token=length_normalization == "tokens")
    plan = plan_batches(loaded.processor, conversations, batch_size)
    ids = [[row.id for row in planned.conversations] for planned in plan]
    kept = parts.read(ids) if parts else []
    answered = [Answered(*one) for part in kept for one in part["answered"]]
    if kept:
        ask.scorer.way = kept[-1]["way"]
        print(f"{name}: resuming: {len(kept)} of {len(plan)} batches were done", flush=True)
    if len(kept) < len(plan):
        with progress(f"evaluate {name}", unit="records") as bar:
            bar.begin(len(conversations), len(answered))
            coming = prepare(loaded.processor, plan[len(kept) :], images, device)
            for number, batch in enumerate(coming, len(kept)):
                got = ask(batch)
                if parts:
                    content = {"answered": got, "way": ask.scorer.way}
                    parts.write(number, ids[number], content)
                answered.extend(got)
                bar.advance(len(got))
    order = [row for planned in plan for row in planned.conversations]
    return make_predictions(
        name,
        answers.labels,
        answers.positive if len(answers.labels) == 2 else None,
        [_row(*pair, loaded, answers) for pair in zip(order, answered, strict=True)],
        length_normalization if scored else None,
    )


class _Asker:
    """Asks about one batch, in the way that the model and the task call for."""

    def __init__(self, loaded: Loaded, answers: Answers, max_new_tokens: int, *, by_token: bool):
        self._loaded, self._answers = loaded, answers
        self._max_new_tokens, self._by_token = max_new_tokens, by_token
        self.scorer = Scorer(loaded.model)

    def __call__(self, batch: Batch) -> list[Answered]:
        if self._loaded.labels is not None:
            scores = classify(
                self._loaded.model, batch.inputs, self._loaded.labels, self._answers.labels
            )
            return [Answered(score, "") for score in scores]
        if not self._answers.labels:
            return [Answered([], text) for text in self._write(batch)]
        scores, texts = self._score(batch), self._write(batch)
        return [Answered(*pair) for pair in zip(scores, texts, strict=True)]

    def _score(self, batch: Batch) -> list[list[float]]:
        prompt = batch.conversations[0].prompt
        candidates = candidate_ids(self._loaded.processor, prompt, self._answers)
        scores = self.scorer(batch.inputs, candidates)
        if not self._by_token:
            return scores
        lengths = [len(candidate) for candidate in candidates]
        return [[a / b for a, b in zip(score, lengths, strict=True)] for score in scores]

    def _write(self, batch: Batch) -> list[str]:
        return generate_answers(
            self._loaded.model,
            self._loaded.processor,
            batch.inputs,
            end_of_turn=end_of_turn_id(self._loaded.processor, batch.conversations[0].prompt),
            max_new_tokens=self._max_new_tokens,
        )


def _row(
    conversation: Conversation, answered: Answered, loaded: Loaded, answers: Answers
) -> dict[str, Any]:
    scores, text = answered
    if loaded.labels is not None:
        parsed = Parsed(answers.labels[scores.index(max(scores))], None)
    elif answers.labels:
        parsed = parse_answer(text, answers)
    else:
        parsed = Parsed(None, None if text else "empty")
    return {
        "id": conversation.id,
        "group": conversation.group,
        "other_group": conversation.other_group,
        "label": conversation.label if answers.labels else None,
        "answer": answer_of(conversation),
        "generated": text,
        "parsed": parsed.label,
        "invalid_reason": parsed.reason,
        "log_probabilities": scores,
        "attributes": conversation.attributes,
        "prompt_sha256": conversation.prompt_sha256,
    }
