"""What the full-size recipes train, proved on the published architectures without their weights."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from testing.architectures import PUBLISHED
from testing.places import ROOT
from testing.published import save_narrow, without_weights
from testing.tiny import LORA, MODEL, QLORA, TRAIN
from tools.rendering import read_recipe, recipes
from verdict.core.errors import VerdictError
from verdict.params import Params
from verdict.params.training import Lora, Train

torch = pytest.importorskip("torch")

ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
PROJECTIONS = ATTENTION | {"gate_proj", "up_proj", "down_proj"}
#: What else of a layer of Gemma 3n can learn. ``correction_coefs`` cannot by an adapter: training
#: reads its weight past the module.
GEMMA_3N = {
    "linear_left",
    "linear_right",
    "prediction_coefs",
    "modality_router",
    "per_layer_input_gate",
    "per_layer_projection",
}
ALL_LINEAR = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
FREEZE = ["embeddings", "projector", "vision_tower", "audio_tower"]

#: What each recipe's adapters lie on, in each layer of the language model.
TARGETS = {
    "melanoma": PROJECTIONS,
    "breakhis": PROJECTIONS,
    "breakhis-binary": PROJECTIONS,
    "medpix-vqa": PROJECTIONS,
    "entity-resolution-generative": ATTENTION,
    "entity-resolution-classifier": PROJECTIONS,
}
RECIPES = {name: path for name, path in recipes(ROOT / "recipes").items() if "/" not in name}


def recipe(name: str) -> Params:
    return read_recipe(RECIPES[name])


def adapted(model: Any, lora: Lora, freeze: list[str]) -> Any:
    from verdict.training.adaptation import make_trainable

    train = Train(**{**TRAIN.model_dump(), "method": "lora", "freeze": freeze})
    return make_trainable(model, train, lora)


def by_layer(model: Any) -> dict[int, set[str]]:
    """Return the last names of the adapted modules in each layer of the language model."""
    from verdict.training.adaptation import adapter_modules

    layers = defaultdict(set)
    for name in adapter_modules(model):
        assert not re.search(r"vision|audio|multi_modal|\.embed_|lm_head|score", name), name
        if match := re.search(r"(?:^|\.)layers\.(\d+)\.", name):
            layers[int(match[1])].add(name.rpartition(".")[2])
    return dict(layers)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As the hub counts them.
        ("google/gemma-3-4b-it", 4_300_079_472),
        ("google/medgemma-4b-it", 4_300_079_472),
        ("google/medgemma-1.5-4b-it", 4_300_079_472),
        ("google/medgemma-27b-it", 27_432_406_640),
        ("google/medgemma-27b-text-it", 27_009_002_240),
        ("google/gemma-3-1b-it", 999_885_952),
        ("google/gemma-3-270m-it", 268_098_176),
        # Without the 42 scales of its layers, which the hub counts and transformers does not, and
        # the keys' and values' projections of the last 18 layers, which nothing uses.
        ("google/gemma-4-e4b-it", 7_996_156_490 - 42 - 55_055_616),
    ],
)
def test_the_architecture_has_the_published_size(name: str, parameters: int) -> None:
    model = without_weights(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize(
    "name", ["google/medgemma-27b-it", "google/medgemma-27b-text-it", "google/gemma-3-270m-it"]
)
def test_another_size_loads_by_its_name_and_reads(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    from verdict.models.load import load_model

    folder = tmp_path / "base"
    save_narrow(folder, name)
    config = AutoConfig.from_pretrained(folder)
    assert config.model_type == PUBLISHED[name]["model_type"]
    model = load_model(folder, MODEL, "cpu").eval()
    text, published = config.get_text_config(), without_weights(name).config.get_text_config()
    for key in ("num_attention_heads", "num_key_value_heads", "sliding_window"):
        assert getattr(text, key) == getattr(published, key), key
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[2, 5, 7]])).logits
    assert logits.shape == (1, 3, 512)
    assert torch.isfinite(logits).all()
    adapted(model, ALL_LINEAR, FREEZE)
    assert set(map(frozenset, by_layer(model).values())) == {frozenset(PROJECTIONS)}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_what_it_says(name: str) -> None:
    from verdict.training.adaptation import adapter_modules, make_trainable, part_of, saved_modules

    params = recipe(name)
    base, classify = params.models["base"].name, params.model.task == "classify"
    if base.lower() not in PUBLISHED:
        pytest.skip(f"the architecture of {base} is not written down here")
    model = make_trainable(without_weights(base, classify=classify), params.train, params.lora)
    trainable = {part_of(n) for n, p in model.named_parameters() if p.requires_grad}
    assert not trainable & set(params.train.freeze)
    if params.train.method == "full":
        learns = {part_of(n) for n, _ in model.named_parameters()} - set(params.train.freeze)
        assert trainable == learns
        assert "language_model" in trainable
        return
    layers = by_layer(model)
    depth = model.config.get_text_config().num_hidden_layers
    assert sorted(layers) == list(range(depth))
    assert not any("correction_coefs" in names for names in layers.values())
    if name in TARGETS:
        assert set(map(frozenset, layers.values())) == {frozenset(TARGETS[name])}
        assert len(adapter_modules(model)) == depth * len(TARGETS[name])
    assert trainable == {"language_model"} | ({"head"} if classify else set())
    if classify:
        assert set(saved_modules(model)) == {"score"}


def test_the_melanoma_pattern_matches_seven_projections_a_layer_and_no_vision() -> None:
    from verdict.training.adaptation import adapter_modules

    params = recipe("melanoma")
    model = adapted(without_weights("google/gemma-3-4b-it"), params.lora, FREEZE)
    assert by_layer(model) == dict.fromkeys(range(34), PROJECTIONS)
    assert len(adapter_modules(model)) == 7 * 34
    # r × (inputs + outputs) of the seven projections, in 34 layers.
    widths = [
        (2560, 2048), (2560, 1024), (2560, 1024), (2048, 2560),
        (2560, 10240), (2560, 10240), (10240, 2560),
    ]  # fmt: skip
    expected = 34 * params.lora.r * sum(a + b for a, b in widths)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected


def test_all_linear_is_the_language_model_where_the_rest_is_frozen() -> None:
    model = adapted(without_weights("google/medgemma-4b-it"), ALL_LINEAR, FREEZE)
    assert by_layer(model) == dict.fromkeys(range(34), PROJECTIONS)


def test_all_linear_as_published_reaches_the_vision_tower_but_no_head() -> None:
    from verdict.training.adaptation import adapter_modules, part_of

    model = adapted(without_weights("google/medgemma-4b-it"), ALL_LINEAR, ["embeddings"])
    parts = [part_of(name) for name in adapter_modules(model)]
    # Each of SigLIP's 27 layers: query, key, value, output, and two of its MLP.
    assert {part: parts.count(part) for part in parts} == {
        "language_model": 7 * 34, "vision_tower": 6 * 27,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["google/gemma-3-4b-it", "google/gemma-3n-e4b-it"])
@pytest.mark.parametrize("way", ["freeze", "exclude"])
def test_medpix_leaves_out_vision_audio_and_head(name: str, way: str) -> None:
    exclude = {
        "exclude": r".*(vision|audio|multi_modal_projector|lm_head|correction_coefs).*",
        "freeze": ["correction_coefs"],
    }
    lora = ALL_LINEAR.model_copy(update={"exclude_modules": exclude[way]})
    model = adapted(without_weights(name), lora, FREEZE if way == "freeze" else ["embeddings"])
    layers = by_layer(model)
    if name == "google/gemma-3-4b-it":
        assert layers == dict.fromkeys(range(34), PROJECTIONS)
        return
    # The last 15 layers take keys and values from those before.
    first = dict.fromkeys(range(20), PROJECTIONS | GEMMA_3N)
    last = dict.fromkeys(range(20, 35), PROJECTIONS - {"k_proj", "v_proj"} | GEMMA_3N)
    assert layers == first | last


def test_the_melanoma_pattern_on_gemma_3n() -> None:
    model = adapted(without_weights("google/gemma-3n-e4b-it"), recipe("melanoma").lora, FREEZE)
    layers = by_layer(model)
    assert layers == dict.fromkeys(range(20), PROJECTIONS) | dict.fromkeys(
        range(20, 35), PROJECTIONS - {"k_proj", "v_proj"}
    )


def test_names_of_attention_on_a_model_for_text() -> None:
    lora = ALL_LINEAR.model_copy(update={"target_modules": sorted(ATTENTION)})
    model = adapted(without_weights("google/gemma-3-1b-it"), lora, FREEZE)
    assert by_layer(model) == dict.fromkeys(range(26), ATTENTION)
    # Its modules have no prefix, so the pattern of a model with images reaches nothing.
    with pytest.raises(VerdictError, match=r"matches no module .* model\.layers\.0\.self_attn"):
        adapted(without_weights("google/gemma-3-1b-it"), recipe("melanoma").lora, FREEZE)


@pytest.mark.parametrize(
    ("name", "layers", "shared", "without_values"),
    [
        ("google/gemma-4-e4b-it", 42, 18, 0),
        ("google/gemma-4-31b-it", 60, 0, 10),
        ("google/gemma-4-26b-a4b-it", 30, 0, 5),
    ],
)
def test_the_melanoma_pattern_on_gemma_4(
    name: str, layers: int, shared: int, without_values: int
) -> None:
    model = adapted(without_weights(name), recipe("melanoma").lora, FREEZE)
    found = by_layer(model)
    assert sorted(found) == list(range(layers))
    own = PROJECTIONS - {"k_proj", "v_proj"}
    assert [found[i] for i in range(layers - shared, layers)] == [own] * shared
    # In the larger ones keys serve as values where a layer attends to everything.
    lacking = [names for names in list(found.values())[: layers - shared] if names != PROJECTIONS]
    assert lacking == [PROJECTIONS - {"v_proj"}] * without_values


@pytest.mark.parametrize(
    "name", ["google/gemma-3-4b-it", "google/gemma-3n-e4b-it", "google/gemma-4-e4b-it"]
)
def test_full_fine_tuning_leaves_the_frozen_parts(name: str) -> None:
    from verdict.training.adaptation import make_trainable, part_of

    train = Train(**{**TRAIN.model_dump(), "method": "full", "freeze": FREEZE})
    model = make_trainable(without_weights(name), train, LORA)
    learns = {part_of(n) for n, p in model.named_parameters() if p.requires_grad}
    # The head is the embeddings' own matrix, and so frozen with them.
    assert learns == {"language_model"}
    assert model.lm_head.weight is model.get_input_embeddings().weight
    stays = {part_of(n) for n, p in model.named_parameters() if not p.requires_grad}
    assert {"embeddings", "projector", "vision_tower"} <= stays


@pytest.mark.parametrize("name", ["google/medgemma-4b-it", "google/gemma-3-1b-it"])
def test_a_classifiers_head_is_trained_saved_and_never_quantized(name: str, tmp_path: Path) -> None:
    from bitsandbytes.nn import Linear4bit
    from safetensors import safe_open

    from verdict.models.load import load_model
    from verdict.training.adaptation import part_of, saved_modules

    save_narrow(tmp_path / "base", name)
    labels = ["different", "same"]
    base = load_model(tmp_path / "base", MODEL, "cpu", QLORA, labels)
    packed = {part_of(n) for n, m in base.named_modules() if isinstance(m, Linear4bit)}
    assert packed == {"language_model"}
    lora = ALL_LINEAR.model_copy(
        update={"target_modules": sorted(ATTENTION), "modules_to_save": ["score"]}
    )
    lora = lora.model_copy(update={"exclude_modules": r".*vision_tower.*"})
    model = adapted(base, lora, FREEZE)
    assert by_layer(model) == dict.fromkeys(range(2), ATTENTION)
    assert list(saved_modules(model)) == ["score"]
    head = saved_modules(model)["score"].modules_to_save["default"].weight
    assert head.requires_grad
    assert head.dtype == torch.float32
    assert head.shape == (2, 128)
    torch.nn.init.normal_(head)
    model.save_pretrained(tmp_path / "adapter")
    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "pt") as file:
        saved = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 -- no mapping
    [key] = [key for key in saved if "score" in key]
    assert torch.equal(saved[key], head)
