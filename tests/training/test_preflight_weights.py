"""Pre-flight refuses weights that should not learn, or could not, or in a coarse precision."""

import pytest

from testing.preflight import CLASSIFY, FULL, WAYS, Flight, blind
from testing.tiny import LORA, QLORA, TRAIN, Tiny
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")


def test_adapters_in_a_frozen_part_are_refused(tiny: Tiny) -> None:
    frozen = TRAIN.model_copy(update={"freeze": ["embeddings", "vision_tower"]})
    with pytest.raises(VerdictError, match=r"train\.freeze names \(vision_tower\): model\.vision_"):
        Flight(tiny).run(train=frozen)


def test_a_saved_module_in_a_frozen_part_is_refused(tiny: Tiny) -> None:
    frozen = TRAIN.model_copy(update={"freeze": ["embeddings", "projector"]})
    with pytest.raises(VerdictError, match=r"freeze names projector, but .*multi_modal_projector"):
        Flight(tiny).run(train=frozen)


def test_full_training_of_a_frozen_part_is_refused(tiny: Tiny) -> None:
    frozen = FULL.model_copy(update={"freeze": ["embeddings", "projector"]})
    with pytest.raises(VerdictError, match=r"train\.freeze names projector"):
        Flight(tiny, train=FULL).run(train=frozen)


def test_targets_that_matched_nothing_are_refused(tiny: Tiny) -> None:
    with pytest.raises(VerdictError, match="matches no module: nothing would learn"):
        Flight(tiny, train=FULL).run(train=TRAIN)


def test_a_module_that_would_not_be_saved_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, lora=LORA.model_copy(update={"modules_to_save": []}))
    with pytest.raises(VerdictError, match="multi_modal_projector is to be saved"):
        flight.run(lora=LORA)


def test_a_weight_of_the_base_that_learns_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.parameter("language_model.norm.weight").requires_grad_(True)
    with pytest.raises(VerdictError, match=r"would learn, but not be saved: .*norm\.weight"):
        flight.run()


def test_nothing_left_to_learn_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.model.requires_grad_(False)
    with pytest.raises(VerdictError, match="nothing would learn"):
        flight.run()


def test_float16_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    norm = flight.parameter("language_model.norm.weight")
    norm.data = norm.data.half()
    with pytest.raises(VerdictError, match=r"float16 is refused.* used by .*norm\.weight"):
        flight.run()


def test_float16_arithmetic_over_4_bits_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, quantization=QLORA)
    layer = next(m for m in flight.model.modules() if hasattr(m, "compute_dtype"))
    layer.compute_dtype = torch.float16
    with pytest.raises(VerdictError, match="float16 is refused"):
        flight.run()


def test_float16_from_the_launcher_is_refused(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    flight = Flight(tiny)
    monkeypatch.setattr(type(flight.trainer.accelerator), "mixed_precision", "fp16")
    with pytest.raises(VerdictError, match="mixed precision is fp16"):
        flight.run()


def test_adapters_in_a_coarse_precision_are_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, quantization=QLORA)
    weight = flight.parameter("lora_B.default.weight")
    weight.data = weight.data.bfloat16()
    with pytest.raises(VerdictError, match=r"held in float32.* is torch\.bfloat16"):
        flight.run()


def test_a_head_that_does_not_learn_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, model=CLASSIFY)
    flight.parameter("score.modules_to_save.default.weight").requires_grad_(False)
    with pytest.raises(VerdictError, match=r"head \(score\) would not learn"):
        flight.run()


def test_a_quantized_head_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny, model=CLASSIFY)
    head = flight.parameter("score.original_module.weight")
    head.data = head.data.to(torch.uint8)
    with pytest.raises(VerdictError, match="head must not be quantized"):
        flight.run()


@pytest.mark.parametrize(
    ("way", "ending", "message"),
    [
        ("lora", "layers.1.mlp.up_proj.lora_B.default.weight", r"layers\.1\.mlp\.up_proj"),
        ("dora", "layers.1.mlp.up_proj.lora_magnitude_vector.default.weight", r"mlp\.up_proj"),
        ("lora", "modules_to_save.default.mm_soft_emb_norm.weight", r"projector\.mm_soft_emb_norm"),
        ("classifier", "score.modules_to_save.default.weight", r"score\.weight"),
    ],
)
@pytest.mark.parametrize("gradient", [0.0, float("nan")])
def test_whatever_gets_no_usable_gradient_is_named(
    tiny: Tiny, way: str, ending: str, message: str, gradient: float
) -> None:
    flight = Flight(tiny, **WAYS[way])
    flight.parameter(ending).register_hook(lambda g: torch.full_like(g, gradient))
    with pytest.raises(VerdictError, match=f"no usable gradient .* reaches [^,]*{message}"):
        flight.run()


def test_a_part_that_gets_no_gradient_is_named(tiny: Tiny) -> None:
    flight = Flight(tiny, train=FULL)
    for name, parameter in flight.model.named_parameters():
        if "vision_tower" in name:
            parameter.register_hook(torch.zeros_like)
    with pytest.raises(VerdictError, match=r"reaches vision_tower\. They"):
        flight.run()


def test_a_projector_of_zeros_hides_the_vision_tower(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.parameter("modules_to_save.default.mm_input_projection_weight").data.zero_()
    with pytest.raises(VerdictError, match=r"reaches model\.vision_tower.* and 10 more\. They"):
        flight.run()


def test_adapters_on_images_need_images(tiny: Tiny) -> None:
    from verdict.training.preflight_passes import check_gradients

    flight = Flight(tiny)
    flight.edit_batches(blind)
    with pytest.raises(VerdictError, match="vision_tower reads images, but the rows have none"):
        check_gradients(flight.rows())


def test_a_loss_that_is_not_finite_is_refused(tiny: Tiny) -> None:
    flight = Flight(tiny)
    flight.parameter("language_model.norm.weight").data.fill_(float("nan"))
    with pytest.raises(VerdictError, match=r"the loss on rows r\d\d, r\d\d is nan before"):
        flight.run()


def test_the_two_rows_of_the_gradient_have_different_labels(tiny: Tiny) -> None:
    # With this seed the first two rows of epoch 0 have one label.
    flight = Flight(tiny, train=TRAIN.model_copy(update={"seed": 2}))
    seen: list[list[int]] = []
    flight.edit_batches(lambda batch: seen.append(batch["positions"].tolist()))
    from verdict.training.preflight_passes import check_gradients

    check_gradients(flight.rows())
    ((first, second),) = seen
    assert tiny.conversations[first].label != tiny.conversations[second].label
