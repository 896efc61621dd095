"""Ask a loaded model about planned batches, one after another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch

from verdict.answers.batches import Batch, PlannedBatch, plan_batches, prepare
from verdict.answers.generation import Writer
from verdict.answers.inference import Loaded
from verdict.answers.prefill import Prefill
from verdict.answers.score import Scorer, exact
from verdict.conversations import Answers, Conversation
from verdict.models.chat import candidate_ids, end_of_turn_id
from verdict.parse import THOUGHT_MARKS
from verdict.records.shards import ImageStore

#: How candidates are scored (``Scorer.ways``) and answers written (``Writer.ways``).
Ways = dict[str, dict[str, str]]


@dataclass(frozen=True)
class AnswerOptions:
    """How a model is asked, as the section ``evaluate`` of params.yaml has it.

    Attributes:
        length_normalization: ``tokens`` divides each candidate's log-likelihood by its number of
            tokens, the end of the turn included; ``none`` leaves it.
        thinking: tokens more that a model may write, for a thought before its answer; 0: it is not
            asked to think.
    """

    batch_size: int
    max_new_tokens: int
    length_normalization: str = "none"
    thinking: int = 0

    @classmethod
    def of(cls, evaluate: Any) -> Self:
        """Take them from the section, of which a stage may read no more than these."""
        return cls(
            evaluate.batch_size,
            evaluate.max_new_tokens,
            evaluate.length_normalization,
            evaluate.thinking,
        )

    @property
    def longest_text(self) -> int:
        """The most tokens that a model may write, its thought included."""
        return self.thinking + self.max_new_tokens


class Prediction(NamedTuple):
    """What a model gave for one record: a score for each label, and the text it wrote."""

    scores: list[float]
    text: str


class BatchResult(NamedTuple):
    """What came of one batch, and the ways that were decided up to there."""

    predictions: list[Prediction]
    ways: Ways


class Evaluator:
    """Asks one model in this process, in the way that the model and the task call for.

    Args:
        images: those of the records that are asked about, and of the examples.
        device: ``cpu``, ``cuda`` or ``mps``.
        examples: answered records that stand before each question (``examples.read_examples``).
    """

    def __init__(
        self,
        loaded: Loaded,
        answers: Answers,
        images: ImageStore,
        options: AnswerOptions,
        device: str,
        examples: Sequence[Conversation] = (),
    ):
        self.loaded, self.answers, self.images, self.options = loaded, answers, images, options
        self._device, self.examples = device, examples
        self.scorer = Scorer(loaded.model)
        self.writer = Writer(loaded.model, loaded.processor, options.longest_text)

    def plan(self, conversations: Sequence[Conversation]) -> list[PlannedBatch]:
        """Return the batches in which the model is asked about these."""
        return plan_batches(
            self.loaded.processor,
            conversations,
            self.options.batch_size,
            thinking=self.options.thinking > 0,
            examples=self.examples,
        )

    def ask(
        self, plan: Sequence[PlannedBatch], begin: int, ways: Ways
    ) -> Iterator[tuple[int, BatchResult]]:
        """Yield number and result of each batch of a plan from ``begin`` on.

        Args:
            ways: how to ask, as earlier batches have decided; empty before the first.
        """
        self.scorer.ways = dict(ways.get("score", {}))
        self.writer.ways = dict(ways.get("write", {}))
        prepared = prepare(self.loaded.processor, plan[begin:], self.images, self._device)
        for number, batch in enumerate(prepared, begin):
            predictions = self(batch)
            decided = {"score": dict(self.scorer.ways), "write": dict(self.writer.ways)}
            yield number, BatchResult(predictions, decided)

    def __call__(self, batch: Batch) -> list[Prediction]:
        labels = self.loaded.labels
        if labels is not None:
            scores = classify(self.loaded.model, batch.inputs, labels, self.answers.labels)
            return [Prediction(score, "") for score in scores]
        if not self.answers.labels:
            return [Prediction([], text) for text in self._write(batch, None)]
        scores, prefill = self._score(batch)
        texts = self._write(batch, prefill)
        return [Prediction(*pair) for pair in zip(scores, texts, strict=True)]

    def _score(self, batch: Batch) -> tuple[list[list[float]], Prefill | None]:
        prompt = batch.conversations[0].prompt
        candidates = candidate_ids(self.loaded.processor, prompt, self.answers)
        thought = empty_thought_ids(self.loaded.processor.tokenizer)
        if self.options.thinking and thought:
            # An answer counts from the end of an empty thought on.
            behind = [thought, *(thought + candidate for candidate in candidates)]
            scores, prefill = self.scorer.read(batch.inputs, behind)
            scores = [[score - first for score in others] for first, *others in scores]
        else:
            scores, prefill = self.scorer.read(batch.inputs, candidates)
        if self.options.length_normalization != "tokens":
            return scores, prefill
        lengths = [len(candidate) for candidate in candidates]
        scores = [[a / b for a, b in zip(score, lengths, strict=True)] for score in scores]
        return scores, prefill

    def _write(self, batch: Batch, prefill: Prefill | None) -> list[str]:
        end = end_of_turn_id(self.loaded.processor, batch.conversations[0].prompt)
        return self.writer(batch.inputs, prefill, end_of_turn=end)


def empty_thought_ids(tokenizer: Any) -> list[int] | None:
    """Return the token ids of a thought without content; None for a model without such marks."""
    known = tokenizer.get_vocab()
    for begin, end in THOUGHT_MARKS:
        if begin in known and end in known:
            return tokenizer(f"{begin}thought\n{end}", add_special_tokens=False).input_ids
    return None


@torch.inference_mode()
def classify(
    model: Any, inputs: dict[str, torch.Tensor], outputs: Sequence[str], labels: Sequence[str]
) -> list[list[float]]:
    """Return a classifier's log-probability of each label for each row of unpadded prompts.

    Args:
        outputs: the labels in the order of the model's outputs.
        labels: the same labels in the order that is wanted.

    Returns:
        For each row one natural logarithm a label, from one forward pass; their exponentials sum
        to 1.
    """
    logits = model(**inputs, use_cache=False).logits
    columns = [outputs.index(label) for label in labels]
    return exact(logits).double().log_softmax(-1)[:, columns].tolist()
