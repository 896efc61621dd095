"""The computed costs of training, against a tiny model that is really trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from testing.tiny import LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny, build_tiny, tiny_job
from testing.tiny_texts import build_text_tiny
from verdict.params.file import read_params
from verdict.params.training import ModelOptions, Train

torch = pytest.importorskip("torch")

#: The published way of MedPix: adapters in the language model, all else frozen.
ADAPTERS = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
FREEZE = ["embeddings", "projector", "vision_tower"]
#: Two passes a step, so that the second one finds gradients.
STEP = {"max_steps": 1, "gradient_accumulation_steps": 2, "save_strategy": "no", "freeze": FREEZE}
WAYS = {
    "lora": {"gradient_checkpointing": False},
    "lora, checkpointing": {"gradient_checkpointing": True},
    "full, checkpointing": {"gradient_checkpointing": True, "method": "full"},
}
HALF = MODEL.model_copy(update={"dtype": "bfloat16"})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


def train_for(way: str) -> Train:
    return Train(**{**TRAIN.model_dump(), **STEP, **WAYS[way]})


def real_trainer(tiny: Tiny, folder: Path, train: Train, options: ModelOptions = MODEL) -> Any:
    from verdict.models.load import load_model, load_processor
    from verdict.training.job import build_trainer

    job = tiny_job(tiny, folder, lora=ADAPTERS, options=train, model=options)
    return build_trainer(
        load_model(tiny.base, options, "cpu", NOT_QUANTIZED), load_processor(tiny.base), job
    )


def in_last_pass(trainer: Any, context: Callable[[dict[str, Any]], Any]) -> list[Any]:
    """Train one step of two passes; return the second's batch, and its context once it is over."""
    step, seen = trainer.training_step, []

    def watched(model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        batch = {name: value for name, value in inputs.items() if name != "positions"}
        with context(inputs) as watcher:
            loss = step(model, inputs, *rest)
        seen[:] = [batch, watcher]
        return loss

    trainer.training_step = watched
    trainer.train()
    return seen


def from_configuration(tiny: Tiny) -> Any:
    from transformers import AutoConfig, AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tiny.base))


def computed(
    tiny: Tiny, train: Train, batch: dict[str, Any], options: ModelOptions = MODEL
) -> tuple[Any, Any]:
    """Return the trainable weights, and the step, of a model made from its configuration alone."""
    from benchmarks.parts.costs_memory import trainable
    from benchmarks.parts.costs_step import measure_step, prepare, without_numbers
    from verdict.training.adaptation import make_trainable

    params = read_params(ROOT / "params.yaml").model_copy(
        update={"train": train, "lora": ADAPTERS, "model": options}
    )
    base = from_configuration(tiny)
    for parameter in base.parameters():
        parameter.data = parameter.data.to(getattr(torch, options.dtype))
    model = make_trainable(base, train, ADAPTERS)
    learns = trainable(model)
    without_numbers(model)
    return learns, measure_step(prepare(model, params), batch, classify=False)


@pytest.mark.parametrize("options", [MODEL, HALF], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("way", WAYS)
def test_a_step_costs_what_it_really_costs(
    tiny: Tiny, tmp_path: Path, way: str, options: ModelOptions
) -> None:
    from benchmarks.parts.costs_memory import gradient_bytes, optimizer_bytes
    from benchmarks.parts.costs_step import Meter

    train = train_for(way)
    trainer = real_trainer(tiny, tmp_path, train, options)
    learns = [p for p in trainer.model.parameters() if p.requires_grad]

    def meter(inputs: dict[str, Any]) -> Meter:
        model = trainer.model
        gradients = [p.grad for p in learns if p.grad is not None]
        tensors = [v for v in inputs.values() if isinstance(v, torch.Tensor)]
        known = [*model.parameters(), *model.buffers(), *gradients, *tensors]
        return Meter(known, model.config.get_text_config().vocab_size)

    batch, real = in_last_pass(trainer, meter)
    expected, step = computed(tiny, train, batch, options)
    assert sum(p.numel() for p in expected) == sum(p.numel() for p in learns)
    assert gradient_bytes(expected) == sum(p.nbytes for p in learns)
    states = [
        state
        for per_weight in trainer.optimizer.optimizer.state.values()
        for name, state in per_weight.items()
        if name != "step"
    ]
    assert optimizer_bytes(expected, train.optim) == sum(state.nbytes for state in states)
    assert step.total == real.flops
    assert step.forward < step.total
    assert step.activations == pytest.approx(real.peak, rel=0.02)
    assert step.logits == pytest.approx(real.logits, rel=0.02)


def test_operations_are_those_that_torch_counts(tiny: Tiny, tmp_path: Path) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.parts.costs_step import ATTENTION

    train = train_for("lora, checkpointing")
    trainer = real_trainer(tiny, tmp_path, train)
    batch, counter = in_last_pass(
        trainer, lambda _: FlopCounterMode(display=False, custom_mapping=ATTENTION)
    )
    assert computed(tiny, train, batch)[1].total == counter.get_total_flops()


def test_saved_activations_are_those_that_autograd_saves(tiny: Tiny, tmp_path: Path) -> None:
    train = train_for("lora")
    trainer = real_trainer(tiny, tmp_path, train)
    loss_of, saved = trainer.compute_loss, {}

    def keep(tensor: Any) -> Any:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    def watched(*arguments: Any, **options: Any) -> Any:
        saved.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            return loss_of(*arguments, **options)

    trainer.compute_loss = watched
    batch, _ = in_last_pass(trainer, lambda _: torch.enable_grad())
    for tensor in (*trainer.model.parameters(), *trainer.model.buffers(), *batch.values()):
        saved.pop(tensor.untyped_storage()._cdata, None)
    step = computed(tiny, train, batch)[1]
    # What is alive but not saved, such as attention masks, is little.
    assert step.saved == pytest.approx(sum(saved.values()), rel=0.05)
    assert step.saved <= step.activations


def test_checkpointing_trades_memory_for_operations(tiny: Tiny, tmp_path: Path) -> None:
    train = train_for("lora")
    batch, _ = in_last_pass(real_trainer(tiny, tmp_path, train), lambda _: torch.enable_grad())
    plain = computed(tiny, train, batch)[1]
    again = computed(tiny, train_for("lora, checkpointing"), batch)[1]
    assert again.saved < 0.5 * plain.saved
    assert again.activations < plain.activations
    assert again.total > plain.total + 0.5 * plain.forward


def test_a_stack_of_linear_layers_is_counted_exactly() -> None:
    from benchmarks.parts.costs_step import Meter, without_numbers

    with torch.device("meta"):
        model = torch.nn.Sequential(
            torch.nn.Linear(64, 128, bias=False), torch.nn.Linear(128, 32, bias=False)
        )
    model[0].weight.requires_grad_(False)
    without_numbers(model)
    rows = torch.zeros(8, 64)
    with Meter([*model.parameters(), rows], vocabulary=32) as meter:
        hidden = model[0](rows)
        result = model[1](hidden)
        assert meter.flops == 2 * 8 * (64 * 128 + 128 * 32)
        assert meter.alive == 4 * 8 * (128 + 32)
        assert meter.logits == 4 * 8 * 32
        result.sum().backward()
    # The second layer's weights alone learn: nothing goes back through it.
    assert meter.flops == 2 * 8 * (64 * 128 + 2 * 128 * 32)
    peak = meter.peak
    del result
    assert meter.alive < peak


def test_four_bits_are_where_and_what_bitsandbytes_makes_them(tiny: Tiny) -> None:
    from bitsandbytes.nn import Linear4bit

    from benchmarks.parts.costs_memory import FOUR_BIT, quantized_weights
    from verdict.models.load import load_model

    loaded = load_model(tiny.base, MODEL, "cpu", QLORA)
    real = {f"{name}.weight" for name, m in loaded.named_modules() if isinstance(m, Linear4bit)}
    model = from_configuration(tiny)
    packed = quantized_weights(model)
    assert {name for name, weight in model.named_parameters() if weight in packed} == real

    layer = Linear4bit(1024, 2048, bias=False, quant_type="nf4", compress_statistics=True).to("cpu")
    state = layer.weight.quant_state
    held = layer.weight.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
    assert held == FOUR_BIT * 1024 * 2048


def test_an_optimizer_in_eight_bits_is_as_large_as_bitsandbytes_makes_it() -> None:
    from bitsandbytes.optim import AdamW8bit

    from benchmarks.parts.costs_memory import optimizer_bytes

    weights = [torch.nn.Parameter(torch.ones(size)) for size in (4095, 4096, 100_000)]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer = AdamW8bit(weights)
    optimizer.step()
    held = sum(
        value.nbytes
        for state in optimizer.state.values()
        for name, value in state.items()
        if name in ("state1", "state2", "absmax1", "absmax2")
    )
    assert optimizer_bytes(weights, "paged_adamw_8bit") == held


@pytest.mark.parametrize("tokens", [10, 40])
def test_the_cache_is_as_large_as_transformers_makes_it(tmp_path: Path, tokens: int) -> None:
    from benchmarks.parts.costs_memory import cache_bytes
    from verdict.models.load import load_model

    # Its window is 16 tokens wide.
    model: Any = load_model(build_text_tiny(tmp_path).base, MODEL, "cpu")
    with torch.no_grad():
        cache = model(torch.full((1, tokens), 5), use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert cache_bytes(model.config, tokens, itemsize=4) == held


def test_the_cost_of_a_recipe() -> None:
    from benchmarks.costs import GPUS, PUBLISHED, memory_table, size_checks, time_table
    from benchmarks.parts.costs_recipe import cost_of

    cost = cost_of(ROOT / "recipes" / "entity-resolution-generative.yaml")
    assert cost.published == PUBLISHED["google/gemma-3-1b-it"]
    assert all(figure.reached for figure in size_checks([cost]))
    # r × (inputs + outputs) of the four projections of attention, in 26 layers.
    assert cost.trainable == 26 * 8 * (2 * (1152 + 1024) + 2 * (1152 + 256))
    # 2 bytes a frozen weight, 4 a learning one; as many for its gradient, twice for its averages.
    memory = cost.memory
    assert memory.weights == 2 * cost.published + 4 * cost.trainable
    assert (memory.gradients, memory.optimizer) == (4 * cost.trainable, 8 * cost.trainable)
    assert memory.training == (
        memory.weights + memory.gradients + memory.optimizer + memory.activations
    )
    # Two operations a token for each weight of the layers, attention and adapters on top.
    layers = 26 * (1152 * (2 * 1024 + 2 * 256) + 3 * 1152 * 6912)
    assert 1 < cost.step.forward / (2 * 2048 * layers) < 1.3
    # With checkpointing twice forwards; then back through the same, but to no frozen weight.
    assert 3 <= cost.step.total / cost.step.forward < 3.4
    assert all(hours > 0 for gpu in GPUS for hours in cost.work.hours(gpu))
    assert memory_table([cost]).row_count == time_table([cost]).row_count == 1
