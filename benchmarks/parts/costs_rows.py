"""How many rows a full-size recipe has, and how many tokens a row: from the recipe where it says.

Published data are not read. Words are counted instead of the model's tokens, and the length of
records' own texts is assumed.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch

from verdict.params import Params

#: Roughly what a large English vocabulary makes one token of.
_TOKEN = re.compile(r"\n+|[^\W\d_]+|\d|[^\w\s]|_")
#: BOS; three tokens that begin the user's turn, two that end it, three that begin the model's.
_TURNS = 9
#: Around an image's tokens: where it begins and ends, and blank lines.
_AROUND_IMAGE = 4
IMAGE_TOKENS = 256


@dataclass(frozen=True)
class Published:
    """Rows of the published splits; None where all lie together or a split is not published."""

    train: int
    validation: int | None
    test: int | None


#: SIIM-ISIC 2020; BreakHis, fold 1, 100X, balanced; MedPix-VQA; the entity-resolution pairs.
PUBLISHED = {
    "melanoma": Published(33_126, None, None),
    "breakhis": Published(766, None, 522),
    "medpix_vqa": Published(17_420, 3_080, None),
    "entity_resolution": Published(1_568, 336, 338),
}
#: Assumed tokens of a record's question and answer in MedPix-VQA, and of a whole row of entity
#: resolution: where the published run cuts.
QUESTION, ANSWER, PAIR = 32, 64, 2048


@dataclass(frozen=True)
class Row:
    """Tokens of one row, all of them and those of its answer (0 for a classifier); images."""

    tokens: int
    answer: int
    images: int


@dataclass(frozen=True)
class Counts:
    """Rows a split."""

    train: int
    validation: int
    test: int


def text_tokens(text: str) -> int:
    """Count words, digits, marks and line breaks."""
    return len(_TOKEN.findall(text))


def row_of(params: Params) -> Row:
    """Return the (assumed) row of a recipe, its longest answer where there are several."""
    images = 0 if params.task == "entity_resolution" else 1
    prompt = _TURNS + text_tokens(params.format.system)
    prompt += text_tokens(params.format.prompt.replace("{text}", ""))
    prompt += images * (IMAGE_TOKENS + _AROUND_IMAGE)
    answer = ANSWER
    if params.format.answers is not None:
        answer = max(text_tokens(text) for text in params.format.answers.values())
    # The end of the turn is learned, too.
    answer = 0 if params.model.task == "classify" else answer + 1
    if params.task == "entity_resolution":
        return Row(PAIR, answer, images)
    if params.format.answers is None:
        prompt += QUESTION
    return Row(prompt + answer, answer, images)


def counts_of(params: Params) -> Counts:
    """Return the rows that the recipe's split leaves of the published ones, groups aside."""
    published, split = PUBLISHED[params.task], params.split
    total = published.train + (published.validation or 0) + (published.test or 0)
    if split.source == "shares":
        return Counts(
            *(round(total * share) for share in (split.train, split.validation, split.test))
        )
    train, validation, test = published.train, published.validation, published.test
    if validation is None:
        validation = round(train * split.validation / (split.train + split.validation))
        train -= validation
    if test is None:
        test = round(validation * split.test / (split.validation + split.test))
        validation -= test
    return Counts(train, validation, test)


def steps_of(params: Params, train_rows: int) -> int:
    """Return the optimizer steps of the recipe."""
    if params.train.max_steps is not None:
        return params.train.max_steps
    passes = math.ceil(train_rows / params.train.per_device_train_batch_size)
    an_epoch = math.ceil(passes / params.train.gradient_accumulation_steps)
    return math.ceil(an_epoch * params.train.num_train_epochs)


def evaluations_of(params: Params, steps: int) -> int:
    """Return how often training computes the loss on the validation split."""
    if params.train.eval_strategy == "no":
        return 0
    if params.train.eval_strategy == "steps":
        return steps // params.train.eval_steps
    return math.ceil(params.train.num_train_epochs)


def inputs_of(params: Params, row: Row, config: Any) -> dict[str, torch.Tensor]:
    """Return one batch of such rows as the collator makes them, of arbitrary words and pixels."""
    size = params.train.per_device_train_batch_size
    ids = torch.full((size, row.tokens), 5)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if row.images:
        ids[:, 1 : 1 + IMAGE_TOKENS] = config.image_token_id
        inputs["token_type_ids"] = (ids == config.image_token_id).long()
        # Gemma 3n's configuration does not say which side its processor makes.
        side = getattr(config.vision_config, "image_size", params.extract.size)
        inputs["pixel_values"] = torch.zeros(size, 3, side, side)
    if params.model.task == "classify":
        return {**inputs, "labels": torch.zeros(size, dtype=torch.long)}
    labels = ids.clone()
    labels[:, : -row.answer] = -100
    return {**inputs, "labels": labels}
