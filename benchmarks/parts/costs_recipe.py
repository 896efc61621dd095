"""What one recipe needs, from its published architecture, its parameters and one step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.parts.costs_memory import (
    cache_bytes,
    decoded_bytes,
    gradient_bytes,
    optimizer_bytes,
    quantized_weights,
    trainable,
    weight_bytes,
)
from benchmarks.parts.costs_rows import (
    Counts,
    Row,
    counts_of,
    evaluations_of,
    inputs_of,
    row_of,
    steps_of,
)
from benchmarks.parts.costs_step import Step, measure_step, prepare, without_numbers
from testing.published import without_weights
from tools.rendering import read_recipe
from verdict.params import Params
from verdict.training.adaptation import make_trainable

#: Assumed share of a GPU's peaks that a run reaches, of arithmetic and of memory traffic alike.
UTILISATION = 0.35


@dataclass(frozen=True)
class Gpu:
    """A GPU by its data sheet: dense bfloat16 operations a second, bytes a second."""

    name: str
    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Memory:
    """Bytes on the GPU; ``saved`` and ``logits`` are parts of ``activations``."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    saved: float
    logits: float
    evaluation: float

    @property
    def training(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a whole run; in ``decoded`` the bytes that generation reads."""

    training: float
    validation: float
    evaluation: float
    decoded: float

    def hours(self, gpu: Gpu) -> tuple[float, float]:
        """Return the hours of training and of evaluation, at ``UTILISATION``."""
        rate, traffic = UTILISATION * gpu.flops * 3600, UTILISATION * gpu.bandwidth * 3600
        training = (self.training + self.validation) / rate
        return training, self.evaluation / rate + self.decoded / traffic


@dataclass(frozen=True)
class Cost:
    """What one recipe needs, and what that was computed from."""

    recipe: str
    params: Params
    row: Row
    counts: Counts
    steps: int
    parameters: int
    trainable: int
    published: int
    step: Step
    memory: Memory
    work: Work


def cost_of(path: Path) -> Cost:
    """Compute what a recipe needs."""
    params = read_recipe(path)
    classify, quantized = params.model.task == "classify", params.quantization.load_in_4bit
    name = params.models["base"].name
    base = without_weights(name, classify=classify)
    for parameter in base.parameters():
        parameter.data = parameter.data.to(getattr(torch, params.model.dtype))
    # The head reads the last token that is no padding.
    base.config.pad_token_id = base.config.get_text_config().pad_token_id
    size = sum(parameter.numel() for parameter in base.parameters())
    heads = base.score.weight.numel() if classify else 0
    evaluated_bytes, read_bytes = weight_bytes(base, set()), decoded_bytes(base)
    packed = quantized_weights(base) if quantized else set()

    model = make_trainable(base, params.train, params.lora)
    learns = trainable(model)
    row, counts = row_of(params), counts_of(params)
    weights, largest = weight_bytes(model, packed), max((p.nbytes for p in packed), default=0)
    without_numbers(model)
    step = measure_step(
        prepare(model, params), inputs_of(params, row, base.config), classify=classify
    )
    steps = steps_of(params, counts.train)
    return Cost(
        recipe=path.stem,
        params=params,
        row=row,
        counts=counts,
        steps=steps,
        parameters=size,
        trainable=sum(parameter.numel() for parameter in learns),
        published=size - heads + _shared_away(base.config.get_text_config()),
        step=step,
        memory=Memory(
            weights=weights,
            gradients=gradient_bytes(learns),
            optimizer=optimizer_bytes(learns, params.train.optim),
            # A 4-bit matrix is unpacked for as long as it is multiplied.
            activations=step.activations + largest,
            saved=step.saved,
            logits=step.logits,
            evaluation=evaluated_bytes
            + sum(p.nbytes for p in learns) * (params.train.method == "lora")
            + _cached_bytes(params, row, base.config.get_text_config()),
        ),
        work=_work(params, row, counts, steps, step, read_bytes),
    )


def _shared_away(config: Any) -> int:
    """Return the published parameters of projections that no layer of Gemma 3n uses.

    Its last layers take keys and values from those before, so transformers leaves their own out.
    """
    layers = getattr(config, "num_kv_shared_layers", 0)
    projection = config.hidden_size * config.num_key_value_heads * config.head_dim
    return layers * (2 * projection + config.head_dim)


def _cached_bytes(params: Params, row: Row, config: Any) -> int:
    """Return the bytes of keys and values of a whole batch: scored answers, or a generated one."""
    prompt, answers = row.tokens - row.answer, params.format.answers or {}
    scored = len(answers) * cache_bytes(config, row.tokens)
    written = cache_bytes(config, prompt + params.evaluate.max_new_tokens)
    return params.evaluate.batch_size * max(scored, written)


def _work(
    params: Params, row: Row, counts: Counts, steps: int, step: Step, read_bytes: int
) -> Work:
    train, evaluate = params.train, params.evaluate
    a_row = step.forward / train.per_device_train_batch_size
    asked = counts.test + (counts.validation if evaluate.validation else 0)
    classified = sum(
        params.model.task == "classify" and not entry.adapter.endswith("config.json")
        for entry in evaluate.models.values()
    )
    written = len(evaluate.models) - classified
    batches = -(-asked // evaluate.batch_size)
    return Work(
        training=step.total * train.gradient_accumulation_steps * steps,
        validation=a_row * counts.validation * evaluations_of(params, steps),
        # What was read to score the answers is what writing goes on from.
        evaluation=a_row * asked * len(evaluate.models),
        decoded=float(read_bytes) * batches * evaluate.max_new_tokens * written,
    )
