"""Token sequences for pre-training: several questions about one picture, in Gemma's turns."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Gemma3nProcessor, Gemma3Processor

from verdict.models.embedded.phrases import RECIPE_QUESTIONS, SHAPE_QUESTIONS

#: Rows of a batch that ask a recipe's question; each of its answers is equally likely.
RECIPE_ROWS = 6
#: Not learned.
IGNORED = -100


class Conversations:
    """Makes batches of conversations about pictures whose attributes are known."""

    def __init__(
        self,
        processor: Gemma3Processor | Gemma3nProcessor,
        attributes: Tensor,
        generator: torch.Generator,
    ):
        self._tokenizer = processor.tokenizer
        self._image = processor.full_image_sequence
        self._attributes, self._generator = attributes, generator
        self._recipes = [
            [self._row([(question.prompt, answer)], question.system) for answer in question.answers]
            for question in RECIPE_QUESTIONS
        ]

    def batch(self, pictures: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return model inputs and labels, one row a picture, padded at the right."""
        rows = [self._drawn(self._drawn(self._recipes)) for _ in range(RECIPE_ROWS)]
        rows += [self._shape_row(int(picture)) for picture in pictures[RECIPE_ROWS:]]
        width = max(len(ids) for ids, _ in rows)
        shape = (len(rows), width)
        ids = torch.full(shape, self._tokenizer.pad_token_id)
        labels = torch.full(shape, IGNORED)
        mask = torch.zeros(shape, dtype=torch.long)
        for index, (row_ids, row_labels) in enumerate(rows):
            ids[index, : len(row_ids)] = torch.tensor(row_ids)
            labels[index, : len(row_ids)] = torch.tensor(row_labels)
            mask[index, : len(row_ids)] = 1
        images = (ids == self._tokenizer.image_token_id).long()
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": images}, labels

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
        opening = (f"{system}\n\n" if system else "") + self._image
        for prompt, answer in turns:
            asked = self._ids(
                f"<start_of_turn>user\n{opening}{prompt}<end_of_turn>\n<start_of_turn>model\n"
            )
            said = self._ids(f"{answer}<end_of_turn>\n")
            ids += asked + said
            labels += [IGNORED] * len(asked) + said
            opening = ""
        return ids, labels

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids
