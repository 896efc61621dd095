"""Processors: from messages, text and images to a model's inputs, for any model by name.

All have the interface of transformers' processors, that of a model which reads text alone included:
``tokenizer``, ``apply_chat_template``, a call with text (and images), ``save_pretrained``.
"""

import json
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME, VIDEO_PROCESSOR_NAME

from verdict.core.errors import VerdictError
from verdict.models.folder import load_tokenizer, without_code

#: With it, Gemma 4 does not think.
EMPTY_THOUGHT = "<|channel>thought\n<channel|>"


class TextProcessor(ProcessorMixin):
    """What a model that reads text alone has instead of a processor: its tokenizer.

    It saves that tokenizer and nothing else, so that a folder looks as it was published.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer, chat_template=tokenizer.chat_template)

    def apply_chat_template(  # type: ignore[override]
        self, conversation: Any, **options: Any
    ) -> Any:
        """Render one conversation; not every template for text knows messages made of parts.

        Raises:
            VerdictError: a message refers to an image.
        """
        turns = [{**turn, "content": _as_text(turn["content"])} for turn in conversation]
        options = {"chat_template": self.chat_template, "tokenize": False, **options}
        return self.tokenizer.apply_chat_template(turns, **options)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **_: Any) -> Any:
        return self.tokenizer.save_pretrained(save_directory)


def open_processor(folder: Path) -> ProcessorMixin:
    """Load the processor of a model's or an adapter's folder, with Pillow as image backend.

    transformers prefers torchvision, which is installed for Gemma 3n's tower and whose resize gives
    other pixels: the backend is named, so that all models see the same. For the same reason nothing
    is loaded for videos, which torchvision alone can read.
    """
    processor = _open(folder)
    # As it stands in the template's source.
    if repr(EMPTY_THOUGHT)[1:-1] in str(processor.chat_template):
        processor.__class__ = _after_thought(type(processor))
    return processor


def _open(folder: Path) -> ProcessorMixin:
    configs = [folder / PROCESSOR_NAME, folder / IMAGE_PROCESSOR_NAME]
    if not any(path.is_file() for path in configs):
        return TextProcessor(load_tokenizer(folder))
    kind: Any = _named_class(configs)
    if kind is None or "video_processor" not in kind.get_attributes():
        kind = AutoProcessor
    else:
        kind = _without_video(kind, _video_settings(folder))
    with without_code(folder):
        return kind.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )


def _named_class(configs: list[Path]) -> type[ProcessorMixin] | None:
    for path in configs:
        if path.is_file():
            name = json.loads(path.read_text(encoding="utf-8")).get("processor_class")
            if name is not None:
                return getattr(transformers, name, None)
    return None


class _NoVideo(ProcessorMixin):
    """Stands between a processor's class and transformers' own, which would want its videos."""

    def __init__(self, *args: Any, **options: Any):
        options.pop("video_processor", None)
        super().__init__(*args, **options)


def _video_settings(folder: Path) -> dict[str, Any] | None:
    """Return what stands in a file of its own about videos, or else about images, as for others."""
    for path in (folder / VIDEO_PROCESSOR_NAME, folder / IMAGE_PROCESSOR_NAME):
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    return None


def _without_video(
    kind: type[ProcessorMixin], apart: dict[str, Any] | None
) -> type[ProcessorMixin]:
    """Return the class with one attribute less, under the same name, which is what is saved.

    Args:
        apart: settings for videos that do not stand in the processor's own file.
    """
    attributes = kind.get_attributes()
    place = attributes.index("video_processor")

    def from_parts(cls: Any, parts: list[Any], options: dict[str, Any], **more: Any) -> Any:
        # Gemma 4's has no default for it.
        parts = [*parts[:place], None, *parts[place:]]
        made = super(kind, cls).from_args_and_dict.__func__(cls, parts, options, **more)
        # As they came, so that what is saved is whole for others.
        if (settings := options.get("video_processor", apart)) is not None:
            made.video_processor = settings
        return made

    return type(
        kind.__name__,
        (kind, _NoVideo),
        {
            "get_attributes": classmethod(
                lambda _: [name for name in attributes if name != "video_processor"]
            ),
            "from_args_and_dict": classmethod(from_parts),
        },
    )


class _AfterThought(ProcessorMixin):
    """Writes an answer behind the empty thought with which the template ends a prompt.

    Those of Gemma 4's larger models leave it out once an answer follows. The answer would then be
    learned, and scored, where the model never writes it.
    """

    def apply_chat_template(  # type: ignore[override]
        self, conversation: Any, **options: Any
    ) -> Any:
        text = super().apply_chat_template(conversation, **options)
        if options.get("add_generation_prompt") or conversation[-1]["role"] != "assistant":
            return text
        asked = super().apply_chat_template(
            conversation[:-1], **{**options, "add_generation_prompt": True}
        )
        before = asked.removesuffix(EMPTY_THOUGHT)
        return asked + text.removeprefix(before) if text.startswith(before) else text


def _after_thought(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Return the class that writes so, under the same name, which is what is saved."""
    return type(kind.__name__, (_AfterThought, kind), {"get_attributes": kind.get_attributes})


def _as_text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    others = sorted({part["type"] for part in content} - {"text"})
    if others:
        raise VerdictError(
            f"the conversations hold {', '.join(others)} parts, but this model reads text alone "
            "(its folder has no processor); choose another in models, or a task of text alone"
        )
    return "".join(part["text"] for part in content)
