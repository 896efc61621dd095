"""A tiny Gemma 3, written as GGUF and read back: the same logits, tokens and configuration."""

import json
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

from testing.gguf import untrained, write_gguf
from verdict.core.errors import VerdictError
from verdict.gguf import config as published
from verdict.gguf.conversion import convert
from verdict.models.chat import render_prompt
from verdict.models.load import load_processor

TEXTS = [
    "Is the shape in the image a red circle?",
    "Do A and B agree?\n\nA: green  shape 12\nB: Ünïcode 漢 <start_of_turn>user",
    "  two   spaces, a\ttab, an emoji 🩺 and <eos> in the middle",
]
Original = tuple[Path, Any]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """The model as it is published, and its tokenizer."""
    folder = tmp_path_factory.mktemp("original")
    model, tokenizer = untrained()
    model.save_pretrained(folder)
    return folder, tokenizer


@pytest.fixture
def read(original: Original, tmp_path: Path) -> Any:
    """Write the model as GGUF, with changes, and return what is made of it."""

    def run(kind: str = "F32", template: str | None = None, **changes: Any) -> Path:
        model = AutoModelForCausalLM.from_pretrained(original[0], dtype=torch.bfloat16)
        path = write_gguf(
            tmp_path / "weights.data", model, original[1], GGMLQuantizationType[kind], **changes
        )
        convert(path, tmp_path / "base", "tiny.gguf", chat_template=template)
        return tmp_path / "base"

    return run


def logits(folder: Path, tokenizer: Any, **options: Any) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    tokens = tokenizer("\n".join(TEXTS), return_tensors="pt")
    assert tokens.input_ids.shape[1] > 3 * model.config.sliding_window
    with torch.inference_mode():
        return model(**tokens).logits


@pytest.mark.parametrize(
    ("kind", "bits", "difference"),
    [("F32", 32.0, 0.0), ("BF16", 16.14, 0.0), ("F16", 16.14, 1e-3), ("Q8_0", 8.7, 0.3)],
)
def test_logits_are_those_of_the_model_it_was_made_of(
    original: Original, read: Any, kind: str, bits: float, difference: float
) -> None:
    folder = read(kind)
    expected, found = logits(*original), logits(folder, original[1])
    assert expected.std() > 1
    assert (found - expected).abs().max() <= difference
    weights = json.loads((folder / "provenance.json").read_text("utf-8"))["weights"]
    assert weights["quantization"] == kind
    assert weights["bits_a_weight"] == bits
    assert weights["license"] == "gemma"
    assert weights["tensors"][kind] >= 43


def test_weights_are_those_that_transformers_reads(original: Original, read: Any) -> None:
    """Of a type that loses much, and of a size for which transformers' configuration is right."""
    folder = read("Q4_0")
    theirs = Gemma3ForCausalLM.from_pretrained(
        folder.parent, gguf_file="weights.data", dtype=torch.bfloat16
    ).state_dict()
    ours = Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_a_head_of_its_own_is_kept(tmp_path: Path) -> None:
    model, tokenizer = untrained(tie_word_embeddings=False)
    model.save_pretrained(tmp_path / "original")
    path = write_gguf(tmp_path / "weights.data", model, tokenizer)
    convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
    found = logits(tmp_path / "base", tokenizer)
    assert torch.equal(found, logits(tmp_path / "original", tokenizer))


def test_the_tokenizer_reads_as_the_original_does(original: Original, read: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(read())
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        assert ids == [tokenizer.bos_token_id, *original[1](text).input_ids]
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    assert {"<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"} <= special


def test_the_same_file_gives_the_same_bytes(read: Any, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in read("Q8_0").iterdir()}
    (tmp_path / "base").rename(tmp_path / "first")
    assert {path.name: path.read_bytes() for path in read("Q8_0").iterdir()} == first
    assert not any(str(tmp_path).encode() in content for content in first.values())


def test_gemmas_turns_can_be_named(read: Any) -> None:
    folder = read(template="gemma")
    prompt = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    rendered = render_prompt(load_processor(folder), prompt)
    assert rendered == "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert generation["eos_token_id"] == [
        tokenizer.convert_tokens_to_ids("<end_of_turn>"),
        tokenizer.eos_token_id,
    ]


def test_a_template_in_the_file_is_kept(original: Original, tmp_path: Path) -> None:
    model, tokenizer = untrained()
    tokenizer.chat_template = "{{ messages[0]['content'] }}!"
    path = write_gguf(tmp_path / "weights.data", model, tokenizer)
    convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
    assert AutoTokenizer.from_pretrained(tmp_path / "base").chat_template == tokenizer.chat_template


@pytest.mark.fault("models")
def test_turns_without_a_template_are_refused(read: Any) -> None:
    with pytest.raises(VerdictError, match=r"no chat template.*format\.form=plain.*chat_template"):
        load_processor(read())


SCALED = {
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
}


def made(tmp_path: Path, model: Any, tokenizer: Any, **changes: Any) -> Gemma3TextConfig:
    """Return the configuration that is made of the model, and check its logits."""
    model.save_pretrained(tmp_path / "original")
    path = write_gguf(tmp_path / "weights.data", model, tokenizer, **changes)
    convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
    found = logits(tmp_path / "base", tokenizer)
    assert torch.equal(found, logits(tmp_path / "original", tokenizer))
    return Gemma3TextConfig.from_pretrained(tmp_path / "base")


def test_scaled_positions_are_kept_where_the_file_says_so(tmp_path: Path) -> None:
    more = {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    config = made(tmp_path, *untrained(**SCALED), more=more)
    assert config.rope_parameters == SCALED["rope_parameters"]


def test_what_is_known_of_a_size_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of the 27B, whose queries are scaled by less than their length."""
    monkeypatch.setitem(published.PUBLISHED, (6, 64), published.Published(8.0, 21))
    config = made(tmp_path, *untrained(**SCALED, query_pre_attn_scalar=21))
    assert config.query_pre_attn_scalar == 21


@pytest.mark.parametrize(
    ("size", "layers", "width", "factor", "query"),
    [
        ("270M", 18, 640, None, 256),
        ("1B", 26, 1152, None, 256),
        ("4B", 34, 2560, 8.0, 256),
        ("12B", 48, 3840, 8.0, 256),
        ("27B", 62, 5376, 8.0, 168),
    ],
)
def test_googles_sizes(
    size: str, layers: int, width: int, factor: float | None, query: int
) -> None:
    """https://huggingface.co/google/gemma-3-27b-it/blob/main/config.json and the others'."""
    assert published.PUBLISHED[layers, width] == published.Published(factor, query)


@pytest.mark.fault("models")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"architecture": "llama"}, r"tiny\.gguf holds a model of the architecture 'llama', and"),
        ({"architecture": "clip"}, r"tiny\.gguf is an mmproj file: .*without the half that writes"),
        ({"left_out": "blk.3.attn_k.weight"}, r"lacks the weights blk\.3\.attn_k\.weight"),
        ({"left_out": "token_embd.weight"}, r"has no token_embd\.weight"),
        ({"more": {"block_count": 5}}, r"holds blk\.5\.\S+, which Gemma 3 for text has not"),
        ({"more": {"block_count": 10**6}}, r"describes no Gemma 3 \(ValueError: 1000000 layers of"),
        ({"more": {"attention.head_count": 0}}, r"says its gemma3\.attention\.head_count is 0,"),
        ({"more": {"attention.head_count": 3}}, r"describes no Gemma 3 \(StrictDataclass"),
        ({"more": {"rope.scaling.type": "yarn"}}, r"scales positions in the way 'yarn'"),
        ({"more": {"vision.block_count": 2}}, r"says gemma3\.vision\.block_count, which is not"),
        ({"more": {"attention.sliding_window_pattern": 2}}, r"sliding_window_pattern 2, where"),
    ],
)
def test_what_cannot_be_read_is_refused(
    read: Any, tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(VerdictError, match=expected):
        read(**changes)
    assert not (tmp_path / "base").exists()


@pytest.mark.fault("models")
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda data: b"PK\3\4" + data[4:], "is no GGUF file"),
        (lambda data: b"", "is no GGUF file"),
        (lambda data: data[:20], "ends early or is damaged"),
        (lambda data: data[:300], "ends early or is damaged"),
        (lambda data: data[: len(data) // 3], "ends early or is damaged"),
        (lambda data: data[:-32], "ends early or is damaged"),
        (lambda data: data + data, "bytes behind its last weight"),
        # Key-value pairs: far more than there are.
        (lambda data: data[:16] + b"\xff" * 7 + b"\0" + data[24:], "ends early or is damaged"),
    ],
)
def test_a_damaged_file_is_named(
    original: Original, tmp_path: Path, damage: Any, expected: str
) -> None:
    model = AutoModelForCausalLM.from_pretrained(original[0], dtype=torch.bfloat16)
    path = write_gguf(tmp_path / "weights.data", model, original[1])
    path.write_bytes(damage(path.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(VerdictError, match=expected):
            convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
    assert not (tmp_path / "base").exists()


@pytest.mark.fault("models")
def test_a_forged_file_is_read_or_refused(original: Original, tmp_path: Path) -> None:
    """Bytes of its head are changed; what is then whole is read, and all else is one message."""
    model = AutoModelForCausalLM.from_pretrained(original[0], dtype=torch.bfloat16)
    path = write_gguf(tmp_path / "weights.data", model, original[1])
    data, draw, refused = path.read_bytes(), random.Random(2), []
    keys, names = data.index(b"tokenizer.ggml.tokens"), data.index(b"blk.0.")
    for _ in range(60):
        forged = bytearray(data)
        place = draw.choice([draw.randrange(keys), draw.randrange(names, names + 4000)])
        forged[place] = draw.choice([0, 255, forged[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(forged)
        shutil.rmtree(tmp_path / "base", ignore_errors=True)
        try:
            convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
        except VerdictError as error:
            refused.append((str(error), (tmp_path / "base").exists()))
    assert len(refused) > 30
    assert all("tiny.gguf" in message and not written for message, written in refused)


@pytest.mark.fault("models")
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (999, "a type of weights that the package gguf does not know"),
        (27, "output_norm.weight in the type I64"),
    ],
)
def test_a_type_of_weights_that_cannot_be_unpacked(
    original: Original, tmp_path: Path, number: int, expected: str
) -> None:
    model = AutoModelForCausalLM.from_pretrained(original[0], dtype=torch.bfloat16)
    path = write_gguf(tmp_path / "weights.data", model, original[1])
    data = bytearray(path.read_bytes())
    # The entry of a norm: its name, one dimension of 64, the type, the place.
    start = data.index(b"output_norm.weight") + len(b"output_norm.weight")
    assert data[start : start + 16] == b"\1\0\0\0" + (64).to_bytes(8, "little") + bytes(4)
    data[start + 12 : start + 16] = number.to_bytes(4, "little")
    path.write_bytes(data + bytes(256))
    with pytest.raises(VerdictError, match=expected):
        convert(path, tmp_path / "base", "tiny.gguf", chat_template=None)
