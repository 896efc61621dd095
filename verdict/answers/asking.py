"""Ask a loaded model about prepared batches, one after another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from verdict.answers.classify import classify
from verdict.answers.generate import generate_answers
from verdict.answers.prompts import Batch, Planned, candidate_ids, end_of_turn_id, prepare
from verdict.answers.score import Scorer
from verdict.models.inference import Loaded
from verdict.records.conversations import Answers
from verdict.records.shards import ImageStore


class Answered(NamedTuple):
    """What a model gave for one record: a score for each label, and the text it wrote."""

    scores: list[float]
    text: str


class Part(NamedTuple):
    """What came of one batch, and the ways in which candidates are scored (``Scorer.ways``)."""

    answered: list[Answered]
    ways: dict[str, str]


class Asker:
    """Asks about one batch, in the way that the model and the task call for."""

    def __init__(self, loaded: Loaded, answers: Answers, max_new_tokens: int, *, by_token: bool):
        self._loaded, self._answers = loaded, answers
        self._max_new_tokens, self._by_token = max_new_tokens, by_token
        self.scorer = Scorer(loaded.model)

    def ask(
        self, plan: Sequence[Planned], images: ImageStore, device: str, ways: Mapping[str, str]
    ) -> Iterator[Part]:
        """Yield what comes of each batch of a plan.

        Args:
            ways: how to score candidates, as earlier batches have decided.
        """
        self.scorer.ways = dict(ways)
        for batch in prepare(self._loaded.processor, plan, images, device):
            yield Part(self(batch), dict(self.scorer.ways))

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
