"""Batches of conversations: which go together, and their inputs, made ready beside the model."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import ProcessorMixin

from verdict.answers.examples import behind
from verdict.conversations import Conversation
from verdict.engine.work import usable_cores
from verdict.models.chat import count_images, images_of, render_prompt, taking_images
from verdict.records.shards import ImageStore

#: At most so many batches are made ready at once: of 32 images of 896 pixels, 0.3 GB each.
_THREADS = 4


@dataclass(frozen=True)
class Batch:
    """Conversations whose prompts have the same number of tokens, and their model inputs."""

    conversations: list[Conversation]
    inputs: dict[str, torch.Tensor]


@dataclass(frozen=True)
class PlannedBatch:
    """Conversations of one batch, and their rendered prompts; nothing is decoded yet.

    Attributes:
        texts: the prompts, behind the examples.
        tokens: of each prompt, an image counted as its placeholder.
        examples: answered records that stand before each question.
    """

    conversations: list[Conversation]
    texts: list[str]
    tokens: int
    examples: Sequence[Conversation] = ()

    @property
    def pictures(self) -> int:
        """How many images each has; this decides which inputs a processor makes of them."""
        return count_images(self.conversations[0].prompt)


def plan_batches(
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    batch_size: int,
    *,
    thinking: bool = False,
    examples: Sequence[Conversation] = (),
) -> list[PlannedBatch]:
    """Return batches of prompts of equal length, shortest first; with as many images each.

    Left padding under scaled-dot-product attention can change a row's result
    (transformers#47651); rows of one length need none, so no row depends on its neighbours.

    The first batch with each number of images stands ahead of all others (``count_deciding``).

    Args:
        thinking: whether the prompts ask for a thought before the answer.
        examples: answered records that stand before each question.
    """
    rendered: dict[str, tuple[str, int]] = {}
    alike: dict[tuple[int, int], list[tuple[Conversation, str]]] = {}
    for conversation in conversations:
        # Mostly one prompt for all; a template takes longer to render than a batch to plan.
        key = repr(conversation.prompt)
        if key not in rendered:
            whole = behind(examples, conversation.prompt)
            text = render_prompt(processor, whole, thinking=thinking)
            ids = processor.tokenizer(text, add_special_tokens=False).input_ids
            rendered[key] = text, len(ids)
        text, length = rendered[key]
        pictured = count_images(conversation.prompt)
        alike.setdefault((length, pictured), []).append((conversation, text))
    plan = []
    for (length, _), rows in sorted(alike.items(), key=lambda item: item[0]):
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            asked, texts = [row for row, _ in chosen], [text for _, text in chosen]
            plan.append(PlannedBatch(asked, texts, length, examples))
    first: dict[int, int] = {}
    for index, planned in enumerate(plan):
        first.setdefault(planned.pictures, index)
    ahead = set(first.values())
    order = [*sorted(ahead), *(index for index in range(len(plan)) if index not in ahead)]
    return [plan[index] for index in order]


def over_limit(
    processor: ProcessorMixin,
    plan: Sequence[PlannedBatch],
    images: ImageStore,
    limit: float,
    answer: int,
) -> dict[str, int]:
    """Return the tokens of each record that, with an answer, does not fit what the model reads.

    Args:
        limit: the most tokens that the model reads; infinite where it is not known.
        answer: tokens of the longest answer that it is asked about.

    Raises:
        VerdictError: the processor does not take so many images of one record and its examples.
    """
    shown = sum(count_images(one.prompt) for one in plan[0].examples)
    found: dict[str, int] = {}
    for pictures in {planned.pictures for planned in plan}:
        alike = [planned for planned in plan if planned.pictures == pictures]
        longest = max(alike, key=lambda planned: planned.tokens)
        one = replace(longest, conversations=longest.conversations[:1], texts=longest.texts[:1])
        # Stored images all have one size, and so become as many tokens.
        with taking_images(f"record {one.conversations[0].id}", pictures, shown):
            read = _prepare(processor, one, images, "cpu").inputs["input_ids"].shape[1]
        further = read - longest.tokens + answer
        found |= {
            row.id: planned.tokens + further
            for planned in alike
            if planned.tokens + further > limit
            for row in planned.conversations
        }
    return found


def count_deciding(plan: Sequence[PlannedBatch]) -> int:
    """Return how many batches at the beginning of a plan decide how the others are asked about."""
    return len({planned.pictures for planned in plan})


def prepare(
    processor: ProcessorMixin, plan: Sequence[PlannedBatch], images: ImageStore, device: str
) -> Iterator[Batch]:
    """Yield the batches of a plan, the next ones made ready while the model works."""
    # Decoding runs beside other threads; a GPU would wait for one alone.
    threads = max(1, min(_THREADS, usable_cores() - 1))
    with ThreadPoolExecutor(max_workers=threads) as beside:
        coming: deque[Future[Batch]] = deque()
        for planned in plan:
            coming.append(beside.submit(_prepare, processor, planned, images, device))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def batches(
    processor: ProcessorMixin,
    conversations: Sequence[Conversation],
    images: ImageStore,
    batch_size: int,
    device: str,
) -> Iterator[Batch]:
    """Yield the batches of ``plan_batches``, ready for the model."""
    yield from prepare(
        processor, plan_batches(processor, conversations, batch_size), images, device
    )


def _prepare(
    processor: ProcessorMixin, planned: PlannedBatch, images: ImageStore, device: str
) -> Batch:
    shown = [picture for example in planned.examples for picture in images_of(example, images)]
    pictures = [[*shown, *images_of(row, images)] for row in planned.conversations]
    # Gemma 3's processor counts tokens one by one, which is slow in a tensor of torch.
    inputs: Any = processor(
        images=pictures if any(pictures) else None,
        text=planned.texts,
        return_tensors="np",
        add_special_tokens=False,
    )
    tensors = {name: torch.from_numpy(value).to(device) for name, value in inputs.items()}
    return Batch(planned.conversations, tensors)
