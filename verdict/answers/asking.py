"""Ask a loaded model about prepared batches, one after another."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from verdict.answers.classify import classify
from verdict.answers.generate import Writer
from verdict.answers.prefill import Read
from verdict.answers.prompts import Batch, Planned, candidate_ids, end_of_turn_id, prepare
from verdict.answers.score import Scorer
from verdict.conversations import Answers
from verdict.models.inference import Loaded
from verdict.records.shards import ImageStore

#: How candidates are scored (``Scorer.ways``) and answers written (``Writer.ways``).
Ways = dict[str, dict[str, str]]


class Answered(NamedTuple):
    """What a model gave for one record: a score for each label, and the text it wrote."""

    scores: list[float]
    text: str


class Part(NamedTuple):
    """What came of one batch, and the ways that were decided up to there."""

    answered: list[Answered]
    ways: Ways


class Asker:
    """Asks about one batch, in the way that the model and the task call for."""

    def __init__(self, loaded: Loaded, answers: Answers, max_new_tokens: int, *, by_token: bool):
        self._loaded, self._answers, self._by_token = loaded, answers, by_token
        self.scorer = Scorer(loaded.model)
        self.writer = Writer(loaded.model, loaded.processor, max_new_tokens)

    def ask(
        self, plan: Sequence[Planned], images: ImageStore, device: str, ways: Ways
    ) -> Iterator[Part]:
        """Yield what comes of each batch of a plan.

        Args:
            ways: how to ask, as earlier batches have decided; empty before the first.
        """
        self.scorer.ways = dict(ways.get("score", {}))
        self.writer.ways = dict(ways.get("write", {}))
        for batch in prepare(self._loaded.processor, plan, images, device):
            answered = self(batch)
            decided = {"score": dict(self.scorer.ways), "write": dict(self.writer.ways)}
            yield Part(answered, decided)

    def __call__(self, batch: Batch) -> list[Answered]:
        if self._loaded.labels is not None:
            scores = classify(
                self._loaded.model, batch.inputs, self._loaded.labels, self._answers.labels
            )
            return [Answered(score, "") for score in scores]
        if not self._answers.labels:
            return [Answered([], text) for text in self._write(batch, None)]
        scores, read = self._score(batch)
        texts = self._write(batch, read)
        return [Answered(*pair) for pair in zip(scores, texts, strict=True)]

    def _score(self, batch: Batch) -> tuple[list[list[float]], Read | None]:
        prompt = batch.conversations[0].prompt
        candidates = candidate_ids(self._loaded.processor, prompt, self._answers)
        scores, read = self.scorer.read(batch.inputs, candidates)
        if not self._by_token:
            return scores, read
        lengths = [len(candidate) for candidate in candidates]
        return [[a / b for a, b in zip(score, lengths, strict=True)] for score in scores], read

    def _write(self, batch: Batch, read: Read | None) -> list[str]:
        end = end_of_turn_id(self._loaded.processor, batch.conversations[0].prompt)
        return self.writer(batch.inputs, read, end_of_turn=end)
