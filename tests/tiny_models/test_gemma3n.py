"""The embedded tiny Gemma 3n: its parts are there, it learns and reloads, and reads images."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from testing.places import ROOT
from testing.tiny import LORA, MODEL, QLORA, TRAIN

torch = pytest.importorskip("torch")

BUILD = """
import sys
from pathlib import Path
from verdict.params import Reproducibility
from verdict.params.data import EmbeddedModel
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True))
from verdict.tiny_models.builder import build_model
options = EmbeddedModel(architecture="gemma3n", lessons="shapes", seed=1, steps=2)
build_model(Path(sys.argv[1]), options)
"""
IMPORTS = """
import sys
import verdict.parse, verdict.models
assert not {"torch", "torchvision"} & sys.modules.keys()
"""
QUESTION = "What shape is it?"
#: Soft tokens an image, and pixels a side.
TOKENS, SIDE = 16, 64
LANGUAGE = LORA.model_copy(
    update={
        "target_modules": r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        "modules_to_save": [],
    }
)


def python(code: str, *arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gemma3n") / "base"
    done = python(BUILD, str(folder), hash_seed="1")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def processor() -> Any:
    from verdict.tiny_models.gemma3n import build_gemma3n_processor

    return build_gemma3n_processor()


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    from verdict.models.load import load_model

    return load_model(base, MODEL, "cpu").eval()


def ask(processor: Any, colour: str) -> Any:
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    image = Image.new("RGB", (80, 60), colour)
    return processor(images=[[image]], text=[text], return_tensors="pt", add_special_tokens=False)


def test_an_image_is_sixteen_soft_tokens_and_pixels_from_zero_to_one(processor: Any) -> None:
    tokenizer = processor.tokenizer
    white, black = ask(processor, "white"), ask(processor, "black")
    ids = white["input_ids"][0].tolist()
    start = ids.index(tokenizer.boi_token_id)
    image = [tokenizer.image_token_id] * TOKENS
    assert ids[start + 1 : start + 2 + TOKENS] == [*image, tokenizer.eoi_token_id]
    assert ids.count(tokenizer.image_token_id) == TOKENS
    assert ids.count(tokenizer.bos_token_id) == 1
    assert white["pixel_values"].shape == (1, 3, SIDE, SIDE)
    assert torch.equal(white["pixel_values"], torch.ones(1, 3, SIDE, SIDE))
    assert torch.equal(black["pixel_values"], torch.zeros(1, 3, SIDE, SIDE))


def test_marks_of_images_and_sound_stand_behind_all_words(processor: Any) -> None:
    tokenizer = processor.tokenizer
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<eos>", "<bos>", "<unk>"]) == [0, 1, 2, 3]
    last = [tokenizer.eoi_token_id, tokenizer.image_token_id]
    last += [tokenizer.eoa_token_id, tokenizer.audio_token_id]
    assert last == list(range(len(tokenizer) - 4, len(tokenizer)))
    for text in ("Zürich, 37 °C", "The shape is red."):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


def test_parsing_answers_does_not_wait_for_torch() -> None:
    done = python(IMPORTS)
    assert done.returncode == 0, done.stderr


def test_two_processes_write_the_same_bytes(base: Path, tmp_path: Path) -> None:
    done = python(BUILD, str(tmp_path / "again"), hash_seed="2")
    assert done.returncode == 0, done.stderr
    assert contents(base) == contents(tmp_path / "again")


def test_the_auto_classes_load_gemma_3n(base: Path, model: Any) -> None:
    from transformers import Gemma3nForConditionalGeneration, Gemma3nProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    from verdict.models.load import load_processor

    loaded: Any = load_processor(base)
    assert type(model) is Gemma3nForConditionalGeneration
    assert type(loaded) is Gemma3nProcessor
    assert type(loaded.image_processor) is SiglipImageProcessorPil
    assert 1_000_000 < model.num_parameters() < 3_000_000


def test_the_language_model_has_what_sets_3n_apart(model: Any, processor: Any) -> None:
    core = model.model.language_model
    batch = ask(processor, "red")
    gates: list[Any] = []
    hook = core.layers[0].mlp.act_fn.register_forward_hook(lambda _, __, out: gates.append(out))
    with torch.no_grad():
        whole = model(**batch).logits
        hook.remove()
        core.embed_tokens_per_layer.weight.mul_(2)
        per_layer = model(**batch).logits
        core.embed_tokens_per_layer.weight.div_(2)
    assert float((gates[0] == 0).float().mean()) > 0.9  # 0.95 for a normal distribution
    assert not torch.equal(whole, per_layer)
    shares = [not hasattr(layer.self_attn, "k_proj") for layer in core.layers]
    assert shares == [False, False, True, True]
    assert len(core.altup_projections) == 3
    offsets = (model.model.embed_vision.vocab_offset, model.model.embed_audio.vocab_offset)
    assert offsets == (processor.tokenizer.eoi_token_id, processor.tokenizer.eoa_token_id)


def test_an_image_changes_what_is_said(model: Any, processor: Any) -> None:
    with torch.no_grad():
        red, blue = (model(**ask(processor, colour)).logits[0, -1] for colour in ("red", "blue"))
        again = model(**ask(processor, "red")).logits[0, -1]
    assert torch.equal(red, again)
    assert (red - blue).abs().max() > 1e-3


def test_from_the_first_step_a_gradient_reaches_the_tower_and_the_per_layer_words(
    processor: Any,
) -> None:
    from verdict.tiny_models.gemma3n import build_untrained_gemma3n

    torch.manual_seed(0)
    model = build_untrained_gemma3n(processor.tokenizer)
    batch = ask(processor, "red")
    model(**batch, labels=batch["input_ids"]).loss.backward()
    patches = next(model.model.vision_tower.parameters()).grad
    words = model.model.language_model.embed_tokens_per_layer.weight.grad
    assert patches is not None
    assert patches.abs().max() > 0
    assert words is not None
    assert words.abs().max() > 0


def test_in_four_bits_it_still_trains(base: Path, processor: Any) -> None:
    # transformers clamps AltUp's coefficients in place at each training step: not as 4-bit codes.
    from verdict.models.load import load_model
    from verdict.training.adaptation import make_trainable

    model = make_trainable(load_model(base, MODEL, "cpu", QLORA), TRAIN, LANGUAGE).train()
    batch = ask(processor, "red")
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [p.grad for n, p in model.named_parameters() if "lora_B" in n]
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_the_tower_of_the_original_fits_the_same_wrapper(processor: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, Gemma3nForConditionalGeneration

    from verdict.tiny_models.gemma3n import build_untrained_gemma3n

    config: Any = build_untrained_gemma3n(processor.tokenizer).config
    config.vision_config.architecture = "mobilenetv5_300m_enc"
    config.vision_config.hidden_size = 2048
    config.vision_config.model_args = {"channel_multiplier": 0.05, "msfa_output_resolution": 4}
    torch.manual_seed(0)
    model = Gemma3nForConditionalGeneration(config).eval()
    batch = ask(processor, "red")
    model(**batch, labels=batch["input_ids"]).loss.backward()
    stem = model.model.vision_tower.timm_model.conv_stem.conv.weight.grad
    assert stem is not None
    assert stem.abs().max() > 0
    model.save_pretrained(tmp_path / "base")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "base", local_files_only=True)
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, again.eval()(**batch).logits)
