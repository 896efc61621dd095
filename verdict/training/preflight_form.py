"""Pre-flight of the form of conversations: one BOS, the answer, and an end that stops the model."""

from dataclasses import dataclass
from typing import Any

from verdict.core.errors import VerdictError
from verdict.models.chat import is_plain


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


def check_bos(where: str, tokenizer: Any, count: int) -> None:
    """Raise a VerdictError unless a row has exactly one BOS, or the tokenizer knows none."""
    if tokenizer.bos_token_id is not None and count != 1:
        raise VerdictError(
            f"{where} has {count} times the token {tokenizer.bos_token} (BOS) instead of once; "
            "either the chat template or the tokenizer writes it, not both"
        )


def check_completion(where: str, processor: Any, answer: str, completion: str) -> None:
    """Raise a VerdictError unless a completion is the answer and one token that ends it.

    In turns that is any special token; in the plain form the tokenizer's end of text.
    """
    tokenizer = processor.tokenizer
    # Some templates trim the answer, some leave it as it is.
    completion = completion.lstrip()
    if not completion.startswith(answer):
        raise VerdictError(
            f"{where}: the chat template writes {completion!r} for the answer {answer!r}; mend "
            "chat_template in the base model's folder"
        )
    end = completion.removeprefix(answer)
    if is_plain(processor):
        if tokenizer.eos_token is None:
            raise VerdictError(
                f"{where}: the tokenizer of the base model has no eos_token, which ends an answer "
                "in the plain form; name it in its tokenizer_config.json, or set format.form=turns"
            )
        return
    added = tokenizer.added_tokens_decoder.values()
    if end.strip() not in {token.content for token in added if token.special}:
        raise VerdictError(
            f"{where}: after the answer the chat template writes {end!r}, where the end of "
            "turn is due (one special token); the model would never learn to stop. Mend "
            "chat_template in the base model's folder"
        )


def check_border(
    where: str, tokenizer: Any, prompt: str, completion: str, whole: list[int]
) -> None:
    """Raise a VerdictError unless a plain prompt's tokens are the first of the whole row's.

    Args:
        whole: the tokens of prompt and completion, encoded together.
    """
    before, after = (
        tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, completion)
    )
    if before + after != whole:
        raise VerdictError(
            f"{where}: where the answer follows {prompt[-20:]!r}, the two together are other "
            "tokens than one after the other, so that a model would not be asked as it was "
            "trained; end format.prompt with other words, or set format.form=turns"
        )


def check_plain_form(rows: Any) -> list[Check]:
    """Return the check of the plain form; none of turns.

    Args:
        rows: the ``Rows`` of ``verdict.training.preflight_rows``.

    Raises:
        VerdictError: the model does not take for its end what ends the answers.
    """
    if not is_plain(rows.processor):
        return []
    if rows.classify:
        seen = "no turns; the label is read off after the question"
        return [Check("plain form", seen, {"end": None})]
    tokenizer, model = rows.processor.tokenizer, rows.trainer.model
    ends = {"generation_config.json": model.generation_config.eos_token_id}
    # Not every model has one there.
    if (end := model.config.get_text_config().eos_token_id) is not None:
        ends["config.json"] = end
    for name, found in ends.items():
        if tokenizer.eos_token_id not in (found if isinstance(found, list) else [found]):
            raise VerdictError(
                f"answers end with {tokenizer.eos_token} ({tokenizer.eos_token_id}), but the base "
                f"model's eos_token_id in {name} is {found}, so that it would not stop there; mend "
                "it, or set format.form=turns"
            )
    seen = f"no turns; the prompt's tokens stay as they are, {tokenizer.eos_token} ends each answer"
    return [Check("plain form", seen, {"end": tokenizer.eos_token})]
