"""Pre-flight of the rows: as text, then as batches really hold them."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from verdict.conversations import Conversation
from verdict.core.errors import VerdictError
from verdict.models.chat import (
    answer_of,
    count_images,
    is_plain,
    render_prompt,
    taking_images,
)
from verdict.training.preflight_form import Check, check_border, check_bos, check_completion
from verdict.training.trainer import ClassifyingTrainer, EpochOrder, ExactTrainer

#: Rows that are collated and decoded: the first of epoch 0 (and the longest row besides).
SAMPLE = 8
#: Where processors mark the tokens of an image; Gemma 3 reads its bidirectional mask off the first.
_TOKEN_TYPES = ("token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True)
class RenderedRow:
    """A row as text: what stands before the answer, the answer with its end of turn ('' for a
    classifier), and the number of tokens of both with an image as one placeholder."""

    prompt: str
    completion: str
    tokens: int


class Rows:
    """The rows that training reads, by their index in the trainer's data set."""

    def __init__(
        self, trainer: ExactTrainer, processor: Any, conversations: Sequence[Conversation]
    ):
        self.trainer, self.processor = trainer, processor
        self.classify = isinstance(trainer, ClassifyingTrainer)
        self._conversations = conversations
        dataset: Any = trainer.train_dataset
        self.dataset = dataset
        self.positions: list[int] = list(dataset.with_format(None)["position"])
        self._texts: dict[str, RenderedRow] = {}

    def __len__(self) -> int:
        return len(self.positions)

    def conversation(self, index: int) -> Conversation:
        return self._conversations[self.positions[index]]

    def batch(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Collate rows as training does; the tensors stay on the CPU."""
        return self.trainer.data_collator([self.dataset[index] for index in indices])

    def text(self, index: int) -> RenderedRow:
        """Render a row; few of them differ, so equal ones are rendered and checked once.

        Raises:
            VerdictError: the chat template, the number of BOS, or the place of the answer.
        """
        conversation = self.conversation(index)
        key = json.dumps([conversation.prompt, conversation.completion])
        if key not in self._texts:
            self._texts[key] = self._render(conversation)
        return self._texts[key]

    def image_tokens(self, index: int) -> int:
        """Return the tokens that the images of a row become."""
        images = self.count(index)
        return images * self._tokens_an_image if images else 0

    def count(self, index: int) -> int:
        """Return how many images a row has."""
        return count_images(self.conversation(index).prompt)

    @functools.cached_property
    def _tokens_an_image(self) -> int:
        """Tokens that the processor writes for an image; stored images all have one size."""
        most = max(range(len(self)), key=self.count)
        images = self.dataset[most]["images"]
        # A processor's own figure may be the most that it writes, as Gemma 4's.
        with taking_images(f"row {self.conversation(most).id}", len(images)):
            inputs = self.processor(
                images=[images],
                text=[self.text(most).prompt],
                return_tensors="pt",
                add_special_tokens=False,
            )
        return int(self.is_image(inputs["input_ids"]).sum()) // len(images)

    def is_image(self, ids: torch.Tensor) -> torch.Tensor:
        """Say of each token whether it stands for a part of an image."""
        known = [token for token in self.processor.image_token_ids if token is not None]
        return torch.isin(ids, torch.tensor(known, dtype=ids.dtype))

    def length(self, index: int) -> int:
        """Return the row's tokens, its images expanded; off by the few marks around an image."""
        return self.text(index).tokens + self.image_tokens(index) - self.count(index)

    @functools.cached_property
    def longest(self) -> int:
        return max(range(len(self)), key=self.length)

    @functools.cached_property
    def first(self) -> list[int]:
        """Return the indices of the first rows of epoch 0, in the trainer's order."""
        return list(EpochOrder(len(self), self.trainer.args.seed))[:SAMPLE]

    def _render(self, conversation: Conversation) -> RenderedRow:
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
            check_completion(where, self.processor, answer_of(conversation), completion)
        tokenizer = self.processor.tokenizer
        ids = tokenizer(prompt + completion, add_special_tokens=False).input_ids
        check_bos(where, tokenizer, ids.count(tokenizer.bos_token_id))
        if is_plain(self.processor):
            check_border(where, tokenizer, prompt, completion, ids)
        return RenderedRow(prompt, completion, len(ids))


def check_rows(rows: Rows) -> list[Check]:
    """Check all rows as text, then the first and the longest as training will read them.

    Raises:
        VerdictError: what is wrong, and in which row.
    """
    lengths = [rows.length(index) for index in range(len(rows))]
    seen = [_check_batch(rows, rows.first), _check_batch(rows, [rows.longest])]
    learned = sorted({text for texts, _ in seen for text in texts})
    (longest,) = seen[1][1]
    model: Any = rows.trainer.model
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and longest > limit:
        surplus = longest - lengths[rows.longest]
        count = sum(length + surplus > limit for length in lengths)
        several, tokens = rows.count(rows.longest), rows.image_tokens(rows.longest)
        raise VerdictError(
            f"row {rows.conversation(rows.longest).id} has {longest} tokens, but the model reads "
            f"at most {limit} (max_position_embeddings); so have {count} of {len(rows)} rows. "
            "Shorten format.system, format.prompt, format.answers, or the texts of the records"
            + (f", or give fewer images: its {several} are {tokens} tokens" if several > 1 else "")
        )
    decoded = len({*rows.first, rows.longest})
    end = "end" if is_plain(rows.processor) else "end of turn"
    what = "label" if rows.classify else f"answer and the {end}"
    bos = None if rows.processor.tokenizer.bos_token_id is None else 1
    images = sorted({rows.image_tokens(index) for index in range(len(rows))})
    return [
        Check(
            "labels",
            f"{decoded} rows decoded: they learn their {what}, nothing else",
            {"rows_decoded": decoded, "learned": learned},
        ),
        Check(
            "BOS",
            "the tokenizer has none" if bos is None else f"one in each of {len(rows):,} rows",
            {"rows": len(rows), "bos_a_row": bos},
        ),
        Check(
            "image tokens", f"{' or '.join(map(str, images))} a row", {"image_tokens_a_row": images}
        ),
        Check(
            "length",
            f"longest row {longest} of {limit or 'any number of'} tokens; none cut off",
            {"longest_row": longest, "limit": limit},
        ),
    ]


def _check_batch(rows: Rows, indices: list[int]) -> tuple[list[str], list[int]]:
    """Return what each row of a real batch learns, and its number of tokens."""
    batch = rows.batch(indices)
    if "attention_mask" not in batch:
        raise VerdictError("the batches have no attention_mask: padding would be read as text")
    learned, lengths = [], []
    names = {"input_ids", "attention_mask", "labels", *_TOKEN_TYPES} & batch.keys()
    for number, index in enumerate(indices):
        where = f"row {rows.conversation(index).id}"
        row = {name: batch[name][number] for name in names}
        learned.append(_check_labels(rows, index, where, row))
        lengths.append(_check_tokens(rows, index, where, row, "pixel_values" in batch))
    return learned, lengths


def _check_labels(rows: Rows, index: int, where: str, row: dict[str, torch.Tensor]) -> str:
    labels = row["labels"]
    if rows.classify:
        model: Any = rows.trainer.model
        learned = str(model.config.id2label.get(int(labels)))
        expected = str(rows.conversation(index).label)
    else:
        kept = labels != -100
        tokenizer = rows.processor.tokenizer
        # There and back, since some tokenizers normalise letters.
        ids = tokenizer(rows.text(index).completion, add_special_tokens=False).input_ids
        decode = functools.partial(tokenizer.decode, clean_up_tokenization_spaces=False)
        learned, expected = decode(labels[kept]), decode(ids)
        if not torch.equal(labels[kept], row["input_ids"][kept]):
            raise VerdictError(f"{where}: the labels do not stand at the tokens that they name")
    if learned != expected:
        shown, due = (
            repr(text if len(text) <= 120 else f"{text[:60]} ... {text[-50:]}")
            for text in (learned, expected)
        )
        raise VerdictError(
            f"{where} would learn {shown}, where exactly {due} is to be learned; look at the chat "
            "template and the order of the labels"
        )
    return learned


def _check_tokens(
    rows: Rows, index: int, where: str, row: dict[str, torch.Tensor], pixels: bool
) -> int:
    tokenizer = rows.processor.tokenizer
    attended = row["attention_mask"].bool()
    ids = row["input_ids"][attended]
    check_bos(where, tokenizer, ids.tolist().count(tokenizer.bos_token_id))
    is_image = rows.is_image(ids)
    expected, types = _expected(rows, index)
    if len(ids) < len(expected):
        raise VerdictError(
            f"{where} is cut off: {len(ids)} of {len(expected)} tokens are attended to; a cut row "
            "loses its image or its answer. Do not truncate rows"
        )
    wanted = rows.image_tokens(index)
    if int(is_image.sum()) != wanted:
        raise VerdictError(
            f"{where} has {int(is_image.sum())} image tokens instead of {wanted}; the processor "
            "and the chat template of the base model do not fit each other"
        )
    if wanted and not pixels:
        raise VerdictError(f"{where} has {wanted} image tokens, but its batch has no pixel_values")
    if ids.tolist() != expected:
        raise VerdictError(f"{where}: its batch holds other tokens than its conversation")
    for name in types:
        if name not in row or not torch.equal(row[name][attended].ne(0), is_image):
            raise VerdictError(
                f"{where}: {name} does not mark the image tokens; without it the model reads the "
                "image like text, one patch after another"
            )
    return len(ids)


def _expected(rows: Rows, index: int) -> tuple[list[int], list[str]]:
    """Return the tokens of one row processed alone, and how its token types are called."""
    text = rows.text(index)
    images = rows.dataset[index]["images"]
    inputs = rows.processor(
        images=[images] if images else None,
        text=[text.prompt],
        return_tensors="pt",
        add_special_tokens=False,
    )
    completion = rows.processor.tokenizer(text.completion, add_special_tokens=False).input_ids
    expected = inputs["input_ids"][0].tolist() + completion
    return expected, [name for name in _TOKEN_TYPES if name in inputs]
