"""A base model with a file that is cut: every way of loading it ends in one message, naming it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.tiny import MODEL, QLORA, Tiny
from verdict.core.errors import VerdictError

pytestmark = pytest.mark.fault("models")


@pytest.fixture
def base(tiny: Tiny, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.base, tmp_path / "base"))


def as_it_comes(base: Path) -> None:
    from verdict.answers.inference import load_for_inference

    load_for_inference(base, base / "config.json", MODEL, "cpu")


def to_write_conversations(base: Path) -> None:
    from verdict.models.folder import load_tokenizer

    load_tokenizer(base)


def to_read_images(base: Path) -> None:
    from verdict.models.load import load_processor

    load_processor(base)


def to_train(base: Path) -> None:
    from verdict.models.load import load_model

    load_model(base, MODEL, "cpu", QLORA)


def to_train_a_classifier(base: Path) -> None:
    from verdict.models.load import load_model

    load_model(base, MODEL, "cpu", labels=["a", "b"])


WAYS = {
    "config.json": (as_it_comes, to_train, to_train_a_classifier),
    "model.safetensors": (as_it_comes, to_train, to_train_a_classifier),
    "tokenizer.json": (as_it_comes, to_read_images, to_write_conversations),
    "tokenizer_config.json": (as_it_comes, to_read_images, to_write_conversations),
    "processor_config.json": (as_it_comes, to_read_images),
}


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, ways in WAYS.items() for way in ways]
)
def test_a_cut_file_is_named(
    base: Path, name: str, way: Callable[[Path], None], kept: float
) -> None:
    content = (base / name).read_bytes()
    (base / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(VerdictError) as refused:
        way(base)
    assert str(refused.value).startswith(f"{base} does not load: {name} is damaged (")
    assert "fetch it again with `dvc repro --force fetch_model`" in str(refused.value)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"7", b'{"model_type": "none such"}'])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_file_that_says_something_else_is_one_message(
    base: Path, name: str, content: bytes
) -> None:
    (base / name).write_bytes(content)
    with pytest.raises(VerdictError, match=r"base (does not load: \w*Error: |holds a model of)"):
        as_it_comes(base)
