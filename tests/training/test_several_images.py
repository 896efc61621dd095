"""Records of several images, in free order with text, through training and evaluation."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.preflight import CLASSIFY, Flight
from testing.tiny import LORA, MODEL, QLORA, TRAIN, TWO, Tiny, ask_tiny, build_several, train_tiny
from tests.training.qwen import build_qwen
from tests.training.test_vision_features import FROZEN, LANGUAGE_LORA, build, compute, losses
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

ADAPT = LORA.model_copy(
    update={
        "target_modules": r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        "modules_to_save": [],
    }
)
ASIDE = TRAIN.model_copy(
    update={"freeze": ["embeddings", "projector", "vision_tower", "audio_tower"]}
)


@pytest.fixture(scope="module")
def several(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_several(tmp_path_factory.mktemp("several") / "two", tiny.base)


def built(architecture: str, folder: Path, tiny: Tiny) -> Path:
    from verdict.params.data import EmbeddedModel
    from verdict.tiny_models.builder import build_model

    if architecture == "gemma3":
        return tiny.base
    if architecture == "qwen":
        return build_qwen(folder / "qwen", tiny).base
    options: Any = {"architecture": architecture, "lessons": "shapes", "seed": 1, "steps": 2}
    build_model(folder / architecture, EmbeddedModel(**options))
    return folder / architecture


@pytest.mark.parametrize("family", ["gemma3", "gemma3n", "gemma4", "qwen"])
def test_every_family_trains_and_answers_on_two_images(
    family: str, tiny: Tiny, tmp_path: Path
) -> None:
    from verdict.answers.inference import Loaded

    two = build_several(tmp_path / "two", built(family, tmp_path, tiny))
    result = train_tiny(two, tmp_path / "checkpoints", lora=ADAPT, options=ASIDE)
    figures = result.preflight.as_json()
    (tokens,) = figures["image_tokens"]["image_tokens_a_row"]
    assert tokens % 2 == 0
    assert result.steps == 4
    processor = Flight(two, lora=ADAPT, train=ASIDE).processor
    loaded = Loaded(result.model.eval(), processor, None, 512)
    found = ask_tiny(two, loaded, two.validation)
    # The other way round is another question, whichever batch it stands in.
    swapped = build_several(tmp_path / "swapped", two.base)
    images = {row.id: two.images.all(row.id)[::-1] for row in swapped.validation}
    swapped = replace(swapped, images=type("Swapped", (), {"all": lambda _, id_: images[id_]})())
    turned = ask_tiny(swapped, loaded, swapped.validation)
    assert (found.log_probabilities != turned.log_probabilities).any()
    alone = ask_tiny(two, loaded, two.validation, batch_size=1)
    assert alone.log_probabilities == pytest.approx(found.log_probabilities, abs=1e-3)


def test_words_and_images_stand_in_the_order_of_the_prompt(several: Tiny) -> None:
    flight = Flight(several)
    batch = flight.trainer.data_collator([flight.trainer.train_dataset[0]])
    text = flight.processor.tokenizer.decode(batch["input_ids"][0])
    image = "<start_of_image>" + 16 * "<image_soft_token>" + "<end_of_image>"
    assert f"Prior:\n\n{image}\n\nCurrent:\n\n{image}\n\nIs it symmetric?" in text
    assert batch["pixel_values"].shape[0] == 2
    first, second = (
        flight.processor.image_processor(images=[[picture]], return_tensors="pt")["pixel_values"]
        for picture in flight.trainer.train_dataset[0]["images"]
    )
    assert torch.equal(batch["pixel_values"], torch.cat([first, second]))


def test_preflight_counts_the_tokens_of_both(several: Tiny) -> None:
    figures = Flight(several, quantization=QLORA).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [32]}


def test_cached_features_give_the_losses_of_the_pixels(several: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows, without_pixels

    model = build(several, FROZEN, LANGUAGE_LORA).eval()
    positions = [7, 2, 2, 5]
    features = compute(several, model, tmp_path, positions=positions)
    processor = load_processor(several.base)

    def collated(blank: bool) -> Any:
        rows = training_rows(several.conversations, several.images, blank_images=blank)
        collator = Collator(without_pixels(processor) if blank else processor)
        return collator([rows[position] for position in positions])

    batch, blank = collated(False), collated(True)
    expected = losses(model, {k: v for k, v in batch.items() if k != "positions"}, False)
    at = blank.pop("positions")
    del blank["pixel_values"]
    got = losses(model, blank | features.inputs_for(at), False)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    wrong = losses(model, blank | features.inputs_for(at.flip(0)), False)
    assert (wrong - expected).abs().max() > 1e-3
    # Once an image, however often its row.
    assert features._stored.shape[0] == 6


def test_training_on_cached_features_and_a_classifier(several: Tiny, tmp_path: Path) -> None:
    cached = MODEL.model_copy(update={"cache_vision_features": True})
    options = {"lora": LANGUAGE_LORA, "options": FROZEN}
    seen = train_tiny(several, tmp_path / "seen", **options)
    kept = train_tiny(several, tmp_path / "kept", model=cached, **options)
    for one, other in zip(seen.log, kept.log, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
    assert train_tiny(several, tmp_path / "head", model=CLASSIFY, **options).steps == 4


def test_records_of_different_numbers_of_images(tiny: Tiny, tmp_path: Path) -> None:
    """Without marks all images come first, however many."""
    mixed = build_several(
        tmp_path / "mixed", tiny.base, TWO.model_copy(update={"prompt": "Is it symmetric?"})
    )
    one = tiny.conversations[0]
    rows = [*mixed.conversations[1:], replace(one, label="melanoma")]
    both = {row.id: mixed.images.all(row.id) for row in rows[:-1]}
    both[one.id] = tiny.images.all(one.id)
    mixed = replace(mixed, images=type("Both", (), {"all": lambda _, id_: both[id_]})())
    figures = Flight(mixed, conversations=rows).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [16, 32]}


@pytest.mark.fault("models")
def test_more_images_than_the_model_reads_are_refused(tiny: Tiny, several: Tiny) -> None:
    from verdict.answers.inference import Loaded

    def one_image_alone(processor: Any) -> None:
        kind = type(processor)

        class OneImage(kind):  # type: ignore[valid-type,misc]
            def __call__(self, images: Any = None, **options: Any) -> Any:
                if any(len(of_a_row) > 1 for of_a_row in images or []):
                    raise ValueError("Only one image per sample is supported")
                return super().__call__(images=images, **options)

        processor.__class__ = OneImage

    flight = Flight(several, edit_processor=one_image_alone)
    said = "row r00 has 2 images, which this model's processor does not take together"
    with pytest.raises(VerdictError, match=said):
        flight.run()
    loaded = Loaded(flight.trainer.model, flight.processor, None, 512)
    with pytest.raises(VerdictError, match=r"record r\d\d has 2 images, which this model's"):
        ask_tiny(several, loaded, several.validation)

    flight = Flight(several)
    flight.trainer.model.config.get_text_config().max_position_embeddings = 50
    with pytest.raises(VerdictError, match=r"or give fewer images: its 2 are 32 tokens"):
        flight.run()
    loaded = Loaded(flight.trainer.model, flight.processor, None, 50)
    with pytest.raises(VerdictError, match=r"record r\d\d has .* or give fewer images: it has 2"):
        ask_tiny(several, loaded, several.validation)


def test_the_conversations_hold_no_pixels(several: Tiny) -> None:
    content = several.conversations[0].prompt[0]["content"]
    assert [part["type"] for part in content] == ["text", "image", "text", "image", "text"]
    assert "bytes" not in json.dumps(content)
