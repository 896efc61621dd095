"""What learns: where adapters lie, what is frozen, and which patterns are refused."""

from typing import Any

import pytest

from testing.tiny import LABELS, LORA, MODEL, QLORA, TRAIN, Tiny
from verdict.core.errors import VerdictError
from verdict.params.training import Lora, Quantization, Train
from verdict.training.adaptation import part_of

torch = pytest.importorskip("torch")

#: The projector is a bare parameter in Gemma 3, no linear layer.
PLAIN = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
LANGUAGE_ONLY = TRAIN.model_copy(update={"freeze": ["embeddings", "projector", "vision_tower"]})


def adapt(
    tiny: Tiny,
    lora: Lora = PLAIN,
    train: Train = TRAIN,
    quantization: Quantization | None = None,
    labels: list[str] | None = None,
) -> Any:
    from verdict.models.load import load_model
    from verdict.training.adaptation import make_trainable

    return make_trainable(load_model(tiny.base, MODEL, "cpu", quantization, labels), train, lora)


def learning(model: Any) -> dict[str, int]:
    """Count the trainable parameters (tensors) of each part."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            counts[part_of(name)] = counts.get(part_of(name), 0) + 1
    return counts


def test_all_linear_reaches_language_and_vision(tiny: Tiny) -> None:
    # Two layers each: seven and six linear layers, A and B.
    assert learning(adapt(tiny)) == {"language_model": 28, "vision_tower": 24}


def test_a_frozen_part_gets_no_adapter(tiny: Tiny) -> None:
    assert learning(adapt(tiny, train=LANGUAGE_ONLY)) == {"language_model": 28}
    by_name = PLAIN.model_copy(update={"target_modules": ["q_proj", "v_proj"]})
    assert learning(adapt(tiny, by_name, LANGUAGE_ONLY)) == {"language_model": 8}
    assert learning(adapt(tiny, by_name)) == {"language_model": 8, "vision_tower": 8}


@pytest.mark.parametrize("excluded", [["q_proj", "fc1"], r".*\.(q_proj|fc1)"])
def test_exclusions_by_name_and_by_pattern(tiny: Tiny, excluded: list[str] | str) -> None:
    lora = PLAIN.model_copy(update={"exclude_modules": excluded})
    assert learning(adapt(tiny, lora)) == {"language_model": 24, "vision_tower": 16}
    pattern = LORA.model_copy(update={"exclude_modules": excluded, "modules_to_save": []})
    assert learning(adapt(tiny, pattern)) == {"language_model": 24, "vision_tower": 16}


def test_what_learns_is_float32_even_over_4_bits(tiny: Tiny) -> None:
    model = adapt(tiny, LORA, quantization=QLORA)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    assert "Linear4bit" in kinds.values()
    vision = [
        kind for name, kind in kinds.items() if "vision_tower" in name and "fc1.base_" in name
    ]
    assert vision == ["Linear", "Linear"]


def test_dora_and_rank_stabilised_scale(tiny: Tiny) -> None:
    from peft.tuners.lora import LoraLayer

    model = adapt(tiny, PLAIN.model_copy(update={"use_dora": True, "use_rslora": True}))
    magnitudes = [name for name, _ in model.named_parameters() if "magnitude" in name]
    assert len(magnitudes) == 26
    layer = next(module for module in model.modules() if isinstance(module, LoraLayer))
    assert layer.scaling["default"] == LORA.lora_alpha / LORA.r**0.5


def test_a_classifiers_head_is_new_saved_and_never_in_4_bits(tiny: Tiny) -> None:
    model = adapt(tiny, quantization=QLORA, labels=LABELS)
    assert model.peft_config["default"].modules_to_save == ["classifier", "score"]
    assert model.peft_config["default"].task_type == "SEQ_CLS"
    head = model.base_model.model.score.modules_to_save["default"]
    assert type(head).__name__ == "Linear"
    assert head.weight.shape == (2, 128)
    assert head.weight.dtype == torch.float32
    assert head.weight.requires_grad
    assert learning(model)["head"] == 1


def test_full_fine_tuning_moves_all_but_the_frozen_parts(tiny: Tiny) -> None:
    full = TRAIN.model_copy(update={"method": "full"})
    counts = learning(adapt(tiny, train=full))
    assert set(counts) == {"language_model", "vision_tower", "projector"}
    frozen = LANGUAGE_ONLY.model_copy(update={"method": "full"})
    assert set(learning(adapt(tiny, train=frozen))) == {"language_model"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"target_modules": r".*language_model.*\.qkv_proj"},
            r"matches no module .* linear layers are .*down_proj.* in full such as model\.",
        ),
        ({"target_modules": ["q_proj", "qkv"]}, r"names 'qkv', but no linear layer .* q_proj"),
        ({"target_modules": r".*(q_proj"}, r"target_modules is no regular expression"),
        ({"exclude_modules": r"*"}, r"exclude_modules is no regular expression"),
        (
            {"target_modules": r".*\.q_proj"},
            r"reaches .*vision_tower.*, but train\.freeze names vision_tower",
        ),
        ({"modules_to_save": ["classifier"]}, r"modules_to_save names 'classifier', but no module"),
        ({"modules_to_save": ["lm_head"]}, r"lm_head, which this model shares between input and"),
        ({"modules_to_save": ["embed_tokens"]}, r"embed_tokens, which this model shares"),
    ],
)
def test_mistakes_are_named_with_what_to_do(
    tiny: Tiny, change: dict[str, object], said: str
) -> None:
    lora = LORA.model_copy(
        update={"target_modules": r".*language_model.*\.q_proj", "modules_to_save": [], **change}
    )
    with pytest.raises(VerdictError, match=said):
        adapt(tiny, lora, LANGUAGE_ONLY)


def test_nothing_left_to_learn_is_refused(tiny: Tiny) -> None:
    parts = ["embeddings", "projector", "vision_tower", "audio_tower", "language_model"]
    train = TRAIN.model_copy(update={"freeze": parts})
    with pytest.raises(VerdictError, match=r"matches no module .* outside of train\.freeze"):
        adapt(tiny, train=train)
    with pytest.raises(VerdictError, match=r"train\.freeze leaves nothing to learn"):
        adapt(tiny, train=train.model_copy(update={"method": "full"}))


@pytest.mark.parametrize("train", [LANGUAGE_ONLY, TRAIN], ids=["frozen", "learning"])
def test_a_frozen_tower_is_not_passed_backwards(tiny: Tiny, train: Train) -> None:
    model = adapt(tiny, train=train)
    # What trl does for gradient checkpointing: every embedding then asks for a gradient.
    model.activation_checkpointing_enable()
    model.enable_input_require_grads()
    model.train()
    tower = model.get_base_model().model.vision_tower
    size = tower.config.image_size
    seen = tower(torch.rand(1, 3, size, size)).last_hidden_state
    assert seen.requires_grad is (train is TRAIN)
