"""Pre-flight of the rows: what a batch really holds, compared with what the conversations say."""

from typing import Any

import torch

from verdict.core.errors import VerdictError
from verdict.models.preflight_text import Check, Rows, check_bos

#: Where processors mark the tokens of an image; Gemma 3 reads its bidirectional mask off the first.
_TOKEN_TYPES = ("token_type_ids", "mm_token_type_ids")


def check_rows(rows: Rows) -> list[Check]:
    """Check all rows as text, then the first and the longest as training will read them.

    Raises:
        VerdictError: what is wrong, and in which row.
    """
    lengths = [rows.length(index) for index in range(len(rows))]
    seen = [_check_batch(rows, rows.first), _check_batch(rows, [rows.longest])]
    learned = sorted({text for texts, _ in seen for text in texts})
    (longest,) = seen[1][1]
    limit = getattr(_text_config(rows), "max_position_embeddings", None)
    if limit is not None and longest > limit:
        surplus = longest - lengths[rows.longest]
        count = sum(length + surplus > limit for length in lengths)
        raise VerdictError(
            f"row {rows.conversation(rows.longest).id} has {longest} tokens, but the model reads "
            f"at most {limit} (max_position_embeddings); so have {count} of {len(rows)} rows. "
            "Shorten format.system, format.prompt, format.answers, or the texts of the records"
        )
    decoded = len({*rows.first, rows.longest})
    what = "label" if rows.classify else "answer and the end of turn"
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
            "image tokens",
            f"{' or '.join(str(count) for count in images)} a row",
            {"image_tokens_a_row": images},
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
    for number, index in enumerate(indices):
        where = f"row {rows.conversation(index).id}"
        row = {
            name: batch[name][number]
            for name in ("input_ids", "attention_mask", "labels", *_TOKEN_TYPES)
            if name in batch
        }
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
        learned = _decode(rows, labels[kept])
        # There and back, since some tokenizers normalise letters.
        completion = rows.text(index).completion
        ids = rows.processor.tokenizer(completion, add_special_tokens=False).input_ids
        expected = _decode(rows, ids)
        if not torch.equal(labels[kept], row["input_ids"][kept]):
            raise VerdictError(f"{where}: the labels do not stand at the tokens that they name")
    if learned != expected:
        raise VerdictError(
            f"{where} would learn {_short(learned)}, where exactly {_short(expected)} is to be "
            "learned; look at the chat template and the order of the labels"
        )
    return learned


def _check_tokens(
    rows: Rows, index: int, where: str, row: dict[str, torch.Tensor], pixels: bool
) -> int:
    processor: Any = rows.processor
    tokenizer = processor.tokenizer
    attended = row["attention_mask"].bool()
    ids = row["input_ids"][attended]
    check_bos(where, tokenizer, ids.tolist().count(tokenizer.bos_token_id))
    image_ids = [token for token in processor.image_token_ids if token is not None]
    is_image = torch.isin(ids, torch.tensor(image_ids, dtype=ids.dtype))
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
    dataset: Any = rows.trainer.train_dataset
    text = rows.text(index)
    processor: Any = rows.processor
    images = dataset[index]["images"]
    inputs = processor(
        images=[images] if images else None,
        text=[text.prompt],
        return_tensors="pt",
        add_special_tokens=False,
    )
    completion = processor.tokenizer(text.completion, add_special_tokens=False).input_ids
    types = [name for name in _TOKEN_TYPES if name in inputs]
    return inputs["input_ids"][0].tolist() + completion, types


def _decode(rows: Rows, ids: Any) -> str:
    return rows.processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def _text_config(rows: Rows) -> Any:
    model: Any = rows.trainer.model
    return model.config.get_text_config()


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else f"{text[:60]} ... {text[-50:]}")
