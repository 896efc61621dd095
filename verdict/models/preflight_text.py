"""Pre-flight of the text: rows as the chat template renders them, before any image is decoded."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ProcessorMixin

from verdict.answers.prompts import answer_of, render_prompt
from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.models.rows import count_images
from verdict.models.trainer import ClassifyingTrainer, EpochOrder, WritingTrainer

Trainer = WritingTrainer | ClassifyingTrainer

#: Rows that are collated and decoded: the first of epoch 0 (and the longest row besides).
SAMPLE = 8


@dataclass(frozen=True)
class Check:
    """One check that passed.

    Attributes:
        seen: what was seen, for a person.
        figures: the same as JSON.
    """

    name: str
    seen: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Text:
    """A row as text: what stands before the answer, the answer with its end of turn ('' for a
    classifier), and the number of tokens of both with an image as one placeholder."""

    prompt: str
    completion: str
    tokens: int


class Rows:
    """The rows that training reads, by their index in the trainer's data set."""

    def __init__(
        self, trainer: Trainer, processor: ProcessorMixin, conversations: Sequence[Conversation]
    ):
        self.trainer, self.processor = trainer, processor
        self.classify = isinstance(trainer, ClassifyingTrainer)
        self._conversations = conversations
        dataset: Any = trainer.train_dataset
        self._positions: list[int] = list(dataset.with_format(None)["position"])
        self._texts: dict[str, Text] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def conversation(self, index: int) -> Conversation:
        return self._conversations[self._positions[index]]

    def batch(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Collate rows as training does; the tensors stay on the CPU."""
        dataset: Any = self.trainer.train_dataset
        return self.trainer.data_collator([dataset[index] for index in indices])

    def text(self, index: int) -> Text:
        """Render a row; few of them differ, so equal ones are rendered and checked once.

        Raises:
            VerdictError: the chat template, or the number of BOS.
        """
        conversation = self.conversation(index)
        key = json.dumps([conversation.prompt, conversation.completion])
        if key not in self._texts:
            self._texts[key] = self._render(conversation)
        return self._texts[key]

    def image_tokens(self, index: int) -> int:
        """Return the tokens that the images of a row become."""
        images = count_images(self.conversation(index).prompt)
        return images * self._tokens_an_image if images else 0

    @functools.cached_property
    def _tokens_an_image(self) -> int:
        """Tokens that the processor writes for an image; stored images all have one size."""
        fixed = getattr(self.processor, "image_seq_length", None)
        if fixed is not None:
            return fixed
        dataset: Any = self.trainer.train_dataset
        seen = next(i for i in range(len(self)) if count_images(self.conversation(i).prompt))
        [image] = dataset[seen]["images"]
        processor: Any = self.processor
        counts = processor._get_num_multimodal_tokens(image_sizes=[(image.height, image.width)])
        return int(counts["num_image_tokens"][0])

    def length(self, index: int) -> int:
        """Return the row's tokens, its images expanded; off by the few marks around an image."""
        placeholders = count_images(self.conversation(index).prompt)
        return self.text(index).tokens + self.image_tokens(index) - placeholders

    @functools.cached_property
    def longest(self) -> int:
        return max(range(len(self)), key=self.length)

    @functools.cached_property
    def first(self) -> list[int]:
        """Return the indices of the first rows of epoch 0, in the trainer's order."""
        return list(EpochOrder(len(self), self.trainer.args.seed))[:SAMPLE]

    @functools.cached_property
    def spread(self) -> list[int]:
        """Return two of the shortest and two of the longest among the sampled rows."""
        rows = {self._positions[index]: index for index in [*self.first, self.longest]}
        ordered = sorted(rows.values(), key=lambda index: (self.length(index), index))
        return list(dict.fromkeys([*ordered[:2], *ordered[-2:]]))

    def _render(self, conversation: Conversation) -> Text:
        where = f"row {conversation.id}"
        prompt = render_prompt(self.processor, conversation.prompt)
        completion = ""
        if not self.classify:
            messages = [*conversation.prompt, *conversation.completion]
            whole = self.processor.apply_chat_template(messages, tokenize=False)
            if not whole.startswith(prompt):
                raise VerdictError(
                    f"{where}: the chat template writes the prompt differently once an answer "
                    "follows, so the model would be asked something else than it learned; mend "
                    "chat_template in the base model's folder"
                )
            completion = whole.removeprefix(prompt)
            self._check_completion(where, conversation, completion)
        tokenizer = self.processor.tokenizer
        ids = tokenizer(prompt + completion, add_special_tokens=False).input_ids
        check_bos(where, tokenizer, ids.count(tokenizer.bos_token_id))
        return Text(prompt, completion, len(ids))

    def _check_completion(self, where: str, conversation: Conversation, completion: str) -> None:
        answer = answer_of(conversation)
        # Some templates trim the answer, some leave it as it is.
        completion = completion.lstrip()
        if not completion.startswith(answer):
            raise VerdictError(
                f"{where}: the chat template writes {completion!r} for the answer {answer!r}; mend "
                "chat_template in the base model's folder"
            )
        end = completion.removeprefix(answer)
        added = self.processor.tokenizer.added_tokens_decoder.values()
        if end.strip() not in {token.content for token in added if token.special}:
            raise VerdictError(
                f"{where}: after the answer the chat template writes {end!r}, where the end of "
                "turn is due (one special token); the model would never learn to stop. Mend "
                "chat_template in the base model's folder"
            )


def check_bos(where: str, tokenizer: Any, count: int) -> None:
    """Raise a VerdictError unless a row has exactly one BOS, or the tokenizer knows none."""
    if tokenizer.bos_token_id is not None and count != 1:
        raise VerdictError(
            f"{where} has {count} times the token {tokenizer.bos_token} (BOS) instead of once; "
            "either the chat template or the tokenizer writes it, not both"
        )
