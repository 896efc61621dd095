"""Conversations as a model reads them: in its chat template's turns or plainly, with their images.

No library of models is imported here, so that whoever only looks through texts begins at once.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from verdict.conversations import Answers, Conversation, Message
from verdict.core.errors import VerdictError
from verdict.params.data import Form
from verdict.records.shards import ImageStore

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin


#: The plain form, as a chat template: system text, a blank line, the question, and after a space,
#: which belongs to its first token, the answer and the end.
_PLAIN = """\
{{- bos_token -}}
{%- for message in messages -%}
    {%- if message['role'] == 'assistant' -%}{{- ' ' -}}{%- endif -%}
    {%- if message['content'] is string -%}
        {{- message['content'] | trim -}}
    {%- else -%}
        {%- for part in message['content'] -%}
            {{- 'IMAGE' if part['type'] == 'image' else part['text'] | trim -}}
        {%- endfor -%}
    {%- endif -%}
    {{- {'system': '\\n\\n', 'assistant': eos_token}.get(message['role'], '') -}}
{%- endfor -%}
"""


def take_form(processor: "ProcessorMixin", form: Form, folder: Path) -> "ProcessorMixin":
    """Let a processor, of a model's folder, write conversations in a form; return it.

    The plain form becomes its chat template, which is saved with it: who loads the model elsewhere
    asks it alike.

    Raises:
        VerdictError: turns, of a model without a chat template.
    """
    if form == "plain":
        processor.chat_template = processor.tokenizer.chat_template = _plain_template(processor)
    elif processor.chat_template is None:
        raise no_chat_template(folder)
    return processor


def is_plain(processor: "ProcessorMixin") -> bool:
    """Say whether a processor writes the plain form."""
    return processor.chat_template == _plain_template(processor)


def no_chat_template(folder: Path) -> VerdictError:
    """Return what is wrong where turns are asked for and a model knows none."""
    return VerdictError(
        f"format.form is turns, but {folder} has no chat template that would write them (a model "
        "that is only pre-trained has none): set format.form=plain, name a template in "
        "models.NAME.gguf.chat_template, or choose a model that was tuned for conversation"
    )


def _plain_template(processor: "ProcessorMixin") -> str:
    return _PLAIN.replace("IMAGE", _image_sign(processor) or "")


def _image_sign(processor: Any) -> str | None:
    """Return what a processor turns into an image; Gemma's set the marks around it themselves."""
    if type(processor).__name__.startswith("Gemma"):
        return processor.image_token
    return None


def render_prompt(
    processor: "ProcessorMixin", prompt: list[Message], *, thinking: bool = False
) -> str:
    """Render the messages up to where the model's answer begins; it carries its own BOS.

    Args:
        thinking: ask for a thought before the answer, where the template knows how.

    Raises:
        VerdictError: an image in the plain form, of a model that has no simple sign for one.
    """
    if count_images(prompt) and is_plain(processor) and not _image_sign(processor):
        raise VerdictError(
            f"the conversations hold images, and how {type(processor).__name__} reads one without "
            "turns is not known; set format.form=turns, or choose a Gemma in models"
        )
    more: Any = {"enable_thinking": True} if thinking else {}
    return processor.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False, **more)


def render_completion(processor: "ProcessorMixin", prompt: list[Message], answer: str) -> str:
    """Render an answer as the model should write it: the text and the end of the turn.

    In the plain form a space comes first, which belongs to the answer's first token.

    Raises:
        VerdictError: the template writes the prompt differently once an answer follows.
    """
    turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    whole = processor.apply_chat_template([*prompt, turn], tokenize=False)
    asked = render_prompt(processor, prompt)
    if not whole.startswith(asked):
        raise VerdictError(
            f"the chat template ends the prompt with {asked[-40:]!r}, but writes it differently "
            "once an answer follows, so it cannot be told what the model should write; mend "
            "chat_template in the base model's folder"
        )
    return whole.removeprefix(asked).rstrip()


def answer_of(conversation: Conversation) -> str:
    """Return the text of the model's turn, without the space around it."""
    content = conversation.completion[0]["content"]
    return (content if isinstance(content, str) else content[0]["text"]).strip()


def end_of_turn_id(processor: "ProcessorMixin", prompt: list[Message]) -> int:
    """Return the token with which the model ends its turn, whatever it answers."""
    completion = render_completion(processor, prompt, "answer")
    return processor.tokenizer(completion, add_special_tokens=False).input_ids[-1]


def candidate_ids(
    processor: "ProcessorMixin", prompt: list[Message], answers: Answers
) -> list[list[int]]:
    """Return the token ids of each candidate answer, ending with the end-of-turn token."""
    return [
        processor.tokenizer(
            render_completion(processor, prompt, answer), add_special_tokens=False
        ).input_ids
        for answer in answers.answers.values()
    ]


def count_images(prompt: Sequence[Message]) -> int:
    """Return how many images a prompt's messages refer to."""
    return sum(
        part["type"] == "image"
        for message in prompt
        if not isinstance(message["content"], str)
        for part in message["content"]
    )


def images_of(conversation: Conversation, images: ImageStore) -> list[Image.Image]:
    """Decode a conversation's images; where it is text alone, the store is not asked."""
    if not count_images(conversation.prompt):
        return []
    return [decode(image) for image in images.all(conversation.id)]


@contextmanager
def taking_images(where: str, images: int, shown: int = 0) -> Iterator[None]:
    """Say of a processor that fails meanwhile that it does not take so many images of one prompt.

    Args:
        where: the record, for the message.
        images: how many it has.
        shown: how many the examples before it have.

    Raises:
        VerdictError: instead of what the processor raises over several images.
    """
    try:
        yield
    except Exception as error:  # processors promise no kind
        if images + shown < 2 or isinstance(error, (MemoryError, VerdictError)):
            raise
        has, lower = f"{images} image{'' if images == 1 else 's'}", ""
        if shown:
            has += f" of its own and {shown} of the examples before it"
            lower = "lower evaluate.models.*.examples.count, "
        raise VerdictError(
            f"{where} has {has}, which this model's processor does not take together ({error}); "
            f"{lower}give fewer images a record, or choose another model in models"
        ) from None


def decode(data: bytes) -> Image.Image:
    """Decode a stored image to RGB."""
    return Image.open(io.BytesIO(data), formats=["JPEG", "WEBP"]).convert("RGB")


def control_token(tokenizer: "PreTrainedTokenizerBase") -> re.Pattern[str]:
    """Return what finds the special tokens of a tokenizer in a text, the longest at each place."""
    tokens = tokenizer.added_tokens_decoder.values()
    special = sorted((token.content for token in tokens if token.special), key=len, reverse=True)
    # Without special tokens nothing is found.
    return re.compile("|".join(map(re.escape, special)) or r"(?!)")


def check_control_tokens(
    conversations: Iterable[Conversation], tokenizer: "PreTrainedTokenizerBase"
) -> None:
    """Look through all texts of prompts and answers for a model's own signs.

    It would read an image, or another's turn, there.

    Raises:
        VerdictError: one holds a control token; it names the first such record and their number.
    """
    pattern = control_token(tokenizer)
    known: dict[str, str | None] = {}
    found: dict[str, str] = {}
    for conversation in conversations:
        for message in [*conversation.prompt, *conversation.completion]:
            for part in message["content"]:
                text = part.get("text", "")
                if text not in known:
                    match = pattern.search(text)
                    known[text] = match[0] if match else None
                if token := known[text]:
                    found.setdefault(conversation.id, token)
    for record, token in found.items():
        raise VerdictError(
            f"record {record} holds {token}, which the model takes for a sign of its own; so do "
            f"{len(found):,} records in all. Take it out of their texts, or of format.system, "
            "format.prompt or format.answers"
        )
