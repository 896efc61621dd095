"""The embedded tiny Gemma 4: its parts are there, the template is the published one, it sees."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.tiny_models.test_gemma3n import contents, python

torch = pytest.importorskip("torch")

BUILD = """
import sys
from pathlib import Path
from verdict.params import Reproducibility
from verdict.params.data import EmbeddedModel
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True))
from verdict.tiny_models.builder import build_model
options = EmbeddedModel(architecture="gemma4", lessons="shapes", seed=1, steps=2)
build_model(Path(sys.argv[1]), options)
"""
SYSTEM, QUESTION, ANSWER = "You are an assistant.", "What shape is it?", "It is a star."
TOKENS = 64
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]},
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gemma4") / "base"
    done = python(BUILD, str(folder), hash_seed="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def processor(base: Path) -> Any:
    from verdict.models.load import load_processor

    return load_processor(base)


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    from testing.tiny import MODEL
    from verdict.models.load import load_model

    return load_model(base, MODEL, "cpu").eval()


def ask(processor: Any, image: Image.Image) -> Any:
    text = processor.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
    return processor(images=[[image]], text=[text], return_tensors="pt", add_special_tokens=False)


def test_two_processes_write_the_same_bytes(base: Path, tmp_path: Path) -> None:
    done = python(BUILD, str(tmp_path / "again"), hash_seed="2")
    assert done.returncode == 0, done.stderr
    assert contents(base) == contents(tmp_path / "again")


def test_the_auto_classes_load_gemma_4_without_videos(
    base: Path, model: Any, processor: Any, tmp_path: Path
) -> None:
    from transformers import AutoProcessor, Gemma4ForConditionalGeneration, Gemma4Processor

    assert type(model) is Gemma4ForConditionalGeneration
    assert isinstance(processor, Gemma4Processor)
    assert type(processor.image_processor).__name__ == "Gemma4ImageProcessorPil"
    assert "video_processor" not in processor.get_attributes()
    assert 1_000_000 < model.num_parameters() < 3_000_000
    processor.save_pretrained(tmp_path)
    saved, published = (
        json.loads((folder / "processor_config.json").read_text()) for folder in (tmp_path, base)
    )
    # What others need for videos is handed on.
    assert saved["video_processor"] == published["video_processor"]
    assert saved["processor_class"] == "Gemma4Processor"
    assert type(AutoProcessor.from_pretrained(tmp_path)) is Gemma4Processor


def test_the_conversation_is_written_with_gemma_4s_marks(processor: Any) -> None:
    from trl import chat_template_utils

    from verdict.models.chat import render_completion, render_prompt

    assert processor.chat_template == chat_template_utils.gemma4_v5_chat_template
    prompt = render_prompt(processor, MESSAGES)
    assert prompt == (
        f"<bos><|turn>system\n{SYSTEM} <turn|>\n"
        f"<|turn>user\n<|image|>{QUESTION}<turn|>\n<|turn>model\n"
    )
    assert render_completion(processor, MESSAGES, ANSWER) == f"{ANSWER}<turn|>"


def test_pre_training_reads_what_the_template_writes(processor: Any) -> None:
    from verdict.tiny_models.conversations import Conversations

    conversations = Conversations(processor, torch.zeros(1, 6), torch.Generator())
    ids, labels = conversations._row([(QUESTION, ANSWER)], SYSTEM)
    asked = ask(processor, Image.new("RGB", (64, 64)))["input_ids"][0].tolist()
    assert ids[: len(asked)] == asked
    assert labels[: len(asked)] == [-100] * len(asked)
    assert processor.tokenizer.decode(ids[len(asked) :]) == f"{ANSWER}<turn|>\n"


def test_an_image_is_sixty_four_soft_tokens_between_marks(processor: Any) -> None:
    tokenizer = processor.tokenizer
    for size in ((64, 64), (200, 200)):
        batch = ask(processor, Image.new("RGB", size, "white"))
        ids = batch["input_ids"][0].tolist()
        start = ids.index(tokenizer.boi_token_id)
        image = [tokenizer.image_token_id] * TOKENS
        assert ids[start + 1 : start + 2 + TOKENS] == [*image, tokenizer.eoi_token_id]
        assert ids.count(tokenizer.image_token_id) == TOKENS < processor.image_seq_length
        assert ids.count(tokenizer.bos_token_id) == 1
        # 16 × 16 patches of 4 × 4 pixels, and what fills them up.
        assert batch["pixel_values"].shape == (1, 280, 48)
        assert (batch["image_position_ids"][0] == -1).all(1).sum() == 280 - 256


def test_pre_training_sees_what_the_processor_makes_of_an_image(processor: Any, model: Any) -> None:
    import numpy as np

    from verdict.tiny_models.sight import sight_of

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    batch = ask(processor, Image.fromarray(pixels))
    sight = sight_of(model)
    ours = sight.inputs(sight.pixels(torch.from_numpy(pixels).permute(2, 0, 1)[None]))
    for name, value in ours.items():
        assert torch.allclose(value, batch[name][:, :256].to(value.dtype)), name
    with torch.no_grad():
        _, tokens = sight.see(sight.pixels(torch.from_numpy(pixels).permute(2, 0, 1)[None]))
        features = model.get_image_features(batch["pixel_values"], batch["image_position_ids"])
    assert torch.allclose(tokens[0], features.pooler_output[0], atol=1e-5)


def test_the_language_model_has_what_sets_4_apart(model: Any) -> None:
    core = model.model.language_model
    shares = [not hasattr(layer.self_attn, "k_proj") for layer in core.layers]
    assert shares == [False, False, True, True]
    assert [layer.self_attn.head_dim for layer in core.layers] == [32, 64, 32, 64]
    assert all(hasattr(layer, "per_layer_input_gate") for layer in core.layers)
    assert model.config.get_text_config().final_logit_softcapping == 30


def test_an_image_changes_what_is_said_and_a_gradient_reaches_the_tower(processor: Any) -> None:
    from verdict.tiny_models.gemma4 import build_untrained_gemma4

    torch.manual_seed(0)
    model = build_untrained_gemma4(processor.tokenizer)
    red, blue = (ask(processor, Image.new("RGB", (64, 64), c)) for c in ("red", "blue"))
    with torch.no_grad():
        assert (model(**red).logits - model(**blue).logits)[0, -1].abs().max() > 1e-3
    model(**red, labels=red["input_ids"]).loss.backward()
    patches = model.model.vision_tower.patch_embedder.input_proj.weight.grad
    words = model.model.language_model.embed_tokens_per_layer.weight.grad
    assert patches is not None
    assert patches.abs().max() > 0
    assert words is not None
    assert words.abs().max() > 0
