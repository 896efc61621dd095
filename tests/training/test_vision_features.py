"""Cached vision features: the same losses and gradients, a file that is whole or not used."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testing.tiny import LORA, MODEL, TRAIN, Tiny
from verdict.core.errors import VerdictError
from verdict.params.training import ModelOptions, Train

torch = pytest.importorskip("torch")

FROZEN = TRAIN.model_copy(update={"freeze": ["vision_tower", "projector", "embeddings"]})
PROJECTOR_LEARNS = FROZEN.model_copy(
    update={"method": "full", "freeze": ["vision_tower", "embeddings"]}
)
PROJECTOR_SAVED = LORA.model_copy(
    update={"modules_to_save": ["multi_modal_projector"], "target_modules": ["q_proj", "v_proj"]}
)
LANGUAGE_LORA = LORA.model_copy(
    update={"modules_to_save": [], "target_modules": ["q_proj", "v_proj"]}
)
#: Not in order, and one twice, as oversampling repeats rows.
POSITIONS = [7, 2, 2, 5, 0]


def build(
    tiny: Tiny,
    train: Train = FROZEN,
    lora: Any = LANGUAGE_LORA,
    *,
    classify: bool = False,
    dtype: str = "float32",
) -> Any:
    from verdict.models.load import load_model
    from verdict.training.adaptation import make_trainable

    torch.manual_seed(1)
    options = ModelOptions(**{**MODEL.model_dump(), "dtype": dtype})
    labels = tiny.answers.labels if classify else None
    base = load_model(tiny.base, options, "cpu", labels=labels)
    model = make_trainable(base, train, lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.train()


def compute(tiny: Tiny, model: Any, folder: Path, **options: Any) -> Any:
    from verdict.models.load import load_processor
    from verdict.training.vision_features import VisionFeatures

    return VisionFeatures.compute(
        model, load_processor(tiny.base), tiny.conversations, options.pop("positions", POSITIONS),
        tiny.images, folder, batch_size=2, device="cpu", **options,
    )  # fmt: skip


def collate(tiny: Tiny, positions: list[int], *, classify: bool, blank: bool = False) -> Any:
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows, without_pixels

    processor = load_processor(tiny.base)
    rows = training_rows(tiny.conversations, tiny.images, blank_images=blank)
    collator = Collator(
        without_pixels(processor) if blank else processor, tiny.answers.labels if classify else None
    )
    batch = collator([rows[position] for position in positions])
    return batch, batch.pop("positions")


def losses(model: Any, inputs: dict[str, Any], classify: bool) -> Any:
    """As the trainers call the model."""
    from verdict.training.losses import answer_losses, label_losses

    return (label_losses if classify else answer_losses)(model, inputs)[1]


def learn(model: Any, inputs: dict[str, Any], classify: bool) -> tuple[Any, dict[str, Any]]:
    """Return the losses, and the gradients by name."""
    model.zero_grad()
    # The same dropout.
    torch.manual_seed(2)
    result = losses(model, inputs, classify)
    result.sum().backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return result.detach(), gradients


@pytest.mark.parametrize("classify", [False, True], ids=["writes", "classifies"])
@pytest.mark.parametrize(
    ("train", "lora"),
    [(FROZEN, LANGUAGE_LORA), (FROZEN, PROJECTOR_SAVED), (PROJECTOR_LEARNS, LANGUAGE_LORA)],
    ids=["projector frozen", "projector saved with the adapter", "projector learns in full"],
)
def test_losses_and_gradients_are_those_of_the_pixels(
    tiny: Tiny, tmp_path: Path, train: Train, lora: Any, classify: bool
) -> None:
    model = build(tiny, train, lora, classify=classify)
    features = compute(tiny, model, tmp_path)
    wanted, _ = collate(tiny, POSITIONS, classify=classify)
    batch, positions = collate(tiny, POSITIONS, classify=classify, blank=True)
    assert batch.pop("pixel_values").shape == (5, 3, 1, 1)
    assert all(torch.equal(batch[name], wanted[name]) for name in batch)
    expected, expected_gradients = learn(model, wanted, classify)
    got, gradients = learn(model, batch | features.inputs_for(positions), classify)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    projector = [name for name in gradients if "multi_modal_projector" in name]
    assert bool(projector) == (train is PROJECTOR_LEARNS or lora is PROJECTOR_SAVED)
    for name, gradient in gradients.items():
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-4, atol=1e-5)


def test_another_images_features_give_other_losses(tiny: Tiny, tmp_path: Path) -> None:
    model = build(tiny)
    features = compute(tiny, model, tmp_path)
    batch, positions = collate(tiny, POSITIONS, classify=False, blank=True)
    del batch["pixel_values"]
    model.eval()
    right = losses(model, batch | features.inputs_for(positions), False)
    wrong = losses(model, batch | features.inputs_for(positions.flip(0)), False)
    assert (right - wrong).abs().max() > 1e-3


@pytest.mark.parametrize(
    "train", [FROZEN, PROJECTOR_LEARNS], ids=["projector frozen", "projector learns"]
)
def test_bfloat16_is_computed_as_in_training_and_kept_to_the_bit(
    tiny: Tiny, tmp_path: Path, train: Train
) -> None:
    model = build(tiny, train, dtype="bfloat16")
    # One image a pass, so that no sum is taken in another order.
    features = compute(tiny, model, tmp_path, positions=[3])
    batch, positions = collate(tiny, [3], classify=False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        core = next(m for m in model.modules() if hasattr(m, "vision_tower"))
        expected = core.get_image_features(batch["pixel_values"]).pooler_output
    kept = features.inputs_for(positions)["mm_encoder_outputs"]["image"].pooler_output
    if train is FROZEN:
        assert kept.dtype == torch.bfloat16
        assert torch.equal(kept, expected.to(torch.bfloat16))
        assert features.path.stat().st_size < 2 * kept.numel() + 200
    else:
        assert kept.requires_grad
        assert torch.equal(kept, expected.to(kept.dtype))


def test_the_file_is_used_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(tiny)
    first = compute(tiny, model, tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the tower was asked again")

    tower = next(m for name, m in model.named_modules() if name.endswith("vision_tower"))
    monkeypatch.setattr(tower, "forward", refuse)
    again = compute(tiny, model, tmp_path)
    positions = torch.tensor(POSITIONS)
    assert torch.equal(pooler(first, positions), pooler(again, positions))
    # Other rows are no use.
    with pytest.raises(AssertionError, match="asked again"):
        compute(tiny, model, tmp_path, positions=[1])


def test_a_cut_off_file_is_not_used(tiny: Tiny, tmp_path: Path) -> None:
    model = build(tiny)
    whole = compute(tiny, model, tmp_path)
    positions = torch.tensor(POSITIONS)
    expected, content = pooler(whole, positions), whole.path.read_bytes()
    for length in (len(content) - 1, 100, 0):
        # Not through the open memory map.
        whole.path.unlink()
        whole.path.write_bytes(content[:length])
        assert torch.equal(pooler(compute(tiny, model, tmp_path), positions), expected)
        assert whole.path.read_bytes() == content


def test_nothing_is_left_of_an_interrupted_pass(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(tiny)
    monkeypatch.setattr("verdict.training.vision_features.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        compute(tiny, model, tmp_path)
    assert not list(tmp_path.iterdir())
    tower = next(m for name, m in model.named_modules() if name.endswith("vision_tower"))
    assert tower.training


def test_a_full_disk_is_told_beforehand(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(VerdictError, match=r"4 images need .* model.cache_vision_features=false"):
        compute(tiny, build(tiny), tmp_path)
    assert not list(tmp_path.iterdir())


def test_random_generators_stay_as_they_are(tiny: Tiny, tmp_path: Path) -> None:
    model = build(tiny)
    before = torch.get_rng_state()
    compute(tiny, model, tmp_path, workers=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_family_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    from transformers import Gemma3ForCausalLM

    base = json.loads((tiny.base / "config.json").read_text())["text_config"]
    model = Gemma3ForCausalLM(Gemma3ForCausalLM.config_class(**base))
    with pytest.raises(VerdictError, match=r"gemma3_text.*cache_vision_features=false"):
        compute(tiny, model, tmp_path)


def pooler(features: Any, positions: Any) -> Any:
    return features.inputs_for(positions)["mm_encoder_outputs"]["image"].pooler_output


def interrupt(_: int) -> None:
    raise KeyboardInterrupt
