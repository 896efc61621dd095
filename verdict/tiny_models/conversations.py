"""Token sequences for pre-training: several questions about one picture, in Gemma's turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Gemma4Processor

from verdict.tiny_models.gemma4 import IMAGE_TOKENS
from verdict.tiny_models.questions import RECIPE_QUESTIONS, SHAPE_QUESTIONS

#: Rows of a batch that ask a recipe's question; each of its answers is equally likely.
RECIPE_ROWS = 6
#: Not learned.
IGNORED = -100


def padded(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    """Return rows of integers as one tensor, filled up at the right."""
    return pad_sequence([torch.tensor(row) for row in rows], True, filler)


@dataclass(frozen=True)
class Turns:
    """How a family writes a conversation.

    Attributes:
        start, end: the marks of a turn.
        image: what stands in the text for an image.
        apart: whether the system text is a turn of its own.
        marking: the model's input that says which tokens are an image's.
    """

    start: str
    end: str
    image: str
    apart: bool
    marking: str

    def opening(self, system: str | None) -> str:
        """Return what stands before the first question."""
        if self.apart and system:
            # With the space that the published template leaves there.
            return f"{self.start}system\n{system} {self.end}\n{self.start}user\n{self.image}"
        return f"{self.start}user\n" + (f"{system}\n\n" if system else "") + self.image


def turns_of(processor: Any) -> Turns:
    """Return the turns of a Gemma 3, 3n or 4."""
    tokenizer = processor.tokenizer
    if isinstance(processor, Gemma4Processor):
        soft = tokenizer.image_token * IMAGE_TOKENS
        image = f"{tokenizer.boi_token}{soft}{tokenizer.eoi_token}"
        return Turns(tokenizer.sot_token, tokenizer.eot_token, image, True, "mm_token_type_ids")
    image = processor.full_image_sequence
    return Turns(tokenizer.sot_token, tokenizer.eot_token, image, False, "token_type_ids")


class Conversations:
    """Makes batches of conversations about pictures whose attributes are known."""

    def __init__(
        self,
        processor: Any,
        attributes: Tensor,
        generator: torch.Generator,
    ):
        self._tokenizer = processor.tokenizer
        self._turns = turns_of(processor)
        self._attributes, self._generator = attributes, generator
        self._recipes = [
            [self._row([(question.prompt, answer)], question.system) for answer in question.answers]
            for question in RECIPE_QUESTIONS
        ]

    def batch(self, pictures: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return model inputs and labels, one row a picture, padded at the right."""
        rows = [self._drawn(self._drawn(self._recipes)) for _ in range(RECIPE_ROWS)]
        rows += [self._shape_row(int(picture)) for picture in pictures[RECIPE_ROWS:]]
        ids = padded([row for row, _ in rows], self._tokenizer.pad_token_id)
        labels = padded([row for _, row in rows], IGNORED)
        mask = padded([[1] * len(row) for row, _ in rows], 0)
        images = (ids == self._tokenizer.image_token_id).long()
        return {"input_ids": ids, "attention_mask": mask, self._turns.marking: images}, labels

    def _drawn(self, choices: Sequence[Any]) -> Any:
        return choices[int(torch.randint(len(choices), (1,), generator=self._generator))]

    def _shape_row(self, picture: int) -> tuple[list[int], list[int]]:
        """Ask all questions that have an answer, in random order."""
        questions = list(SHAPE_QUESTIONS.values())
        turns = []
        for number in torch.randperm(len(questions), generator=self._generator).tolist():
            answer = int(self._attributes[picture, number])
            if answer != IGNORED:
                question = questions[number]
                turns.append((question.prompt, question.answers[answer]))
        return self._row(turns, None)

    def _row(self, turns: list[tuple[str, str]], system: str | None) -> tuple[list[int], list[int]]:
        ids, labels = [self._tokenizer.bos_token_id], [IGNORED]
        start, end = self._turns.start, self._turns.end
        opening = self._turns.opening(system)
        for prompt, answer in turns:
            asked = self._ids(f"{opening}{prompt}{end}\n{start}model\n")
            said = self._ids(f"{answer}{end}\n")
            ids += asked + said
            labels += [IGNORED] * len(asked) + said
            opening = f"{start}user\n"
        return ids, labels

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids
