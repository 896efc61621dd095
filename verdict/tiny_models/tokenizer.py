"""Gemma's tokenizer and processor at laptop size, trained on the spot."""

import json
from collections.abc import Mapping, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import Gemma3Processor, GemmaTokenizer
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from verdict.tiny_models import questions

#: Gemma's first tokens, with the ids that they have there.
_FIRST_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
#: Gemma 3's marks of turns and images, under the names by which its tokenizer has them.
MARKS = {
    "sot_token": "<start_of_turn>",
    "eot_token": "<end_of_turn>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))

#: Size of the vocabulary that is asked for; training stops earlier when every word is one token.
VOCABULARY = 1280

#: Gemma 3's turns: roles ``user`` and ``model``, the system text before the first user text.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- set first = messages[0] -%}
{%- set system = '' -%}
{%- set turns = messages -%}
{%- if first['role'] == 'system' -%}
    {%- set content = first['content'] -%}
    {%- set system = (content if content is string else content[0]['text']) + '\\n\\n' -%}
    {%- set turns = messages[1:] -%}
{%- endif -%}
{%- for turn in turns -%}
    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{- raise_exception('Turns must alternate between user and assistant.') -}}
    {%- endif -%}
    {{- '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else 'user') + '\\n' -}}
    {{- system if loop.first else '' -}}
    {%- if turn['content'] is string -%}
        {{- turn['content'] | trim -}}
    {%- else -%}
        {%- for part in turn['content'] -%}
            {{- '<start_of_image>' if part['type'] == 'image' else part['text'] | trim -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{{- '<start_of_turn>model\\n' if add_generation_prompt else '' -}}
"""


def build_tokenizer(
    corpus: Sequence[str] | None = None, marks: Mapping[str, str] = MARKS
) -> GemmaTokenizer:
    """Train a byte-pair tokenizer on a corpus: known words are one token each.

    Args:
        corpus: what the model will read; None: :func:`questions.corpus`, questions about images.
        marks: the family's special tokens by their names.
    """
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trained.normalizer = normalizers.Replace(" ", "▁")
    # A newline never joins a letter, so that a prompt and its answer give the same tokens whether
    # they are encoded together or apart.
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("▁", "merged_with_next"),
            pre_tokenizers.Split(Regex("\n+"), "isolated"),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*_FIRST_TOKENS, *marks.values(), *_BYTES],
        min_frequency=1,
        show_progress=False,
    )
    trained.train_from_iterator(corpus or questions.corpus(), trainer)
    model = json.loads(trained.to_str())["model"]
    return GemmaTokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],  # type: ignore[misc]
        extra_special_tokens=dict(marks),
        padding_side="left",
    )


def build_text_tokenizer(corpus: Sequence[str]) -> GemmaTokenizer:
    """Return the tokenizer of a model that reads text alone, which carries the chat template."""
    tokenizer = build_tokenizer(corpus)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_processor(
    image_size: int, image_tokens: int, corpus: Sequence[str] | None = None
) -> Gemma3Processor:
    """Return Gemma 3's processor for square images of ``image_size`` pixels.

    An image becomes ``image_tokens`` soft tokens in the text, and pixels from -1 to 1.
    """
    images = Gemma3ImageProcessorPil(
        size={"height": image_size, "width": image_size},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        do_pan_and_scan=False,
    )
    return Gemma3Processor(
        image_processor=images,
        tokenizer=build_tokenizer(corpus),
        chat_template=CHAT_TEMPLATE,
        image_seq_length=image_tokens,
    )
