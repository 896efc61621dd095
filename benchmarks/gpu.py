"""A training step of a model of Gemma 3 4B's size on a GPU: samples/s, memory, utilisation.

``make bench name=gpu`` builds the model with random weights, since neither time nor memory depends
on their values, holds it as the recipe of full size does (QLoRA), or in bfloat16 (LoRA), and times
steps on rows that are ready on the GPU: a picture of 512 pixels, which Gemma 3's processor enlarges
to 896, and about a hundred tokens of text. The weights pass through 9 GB of the temporary folder,
so that the code that training uses loads (and quantizes) them. Cached vision features are ready in
memory too; reading them from the disk is not part of the step.

Utilisation is that of the model's own arithmetic, counted once on a step without gradient
checkpointing: what is computed a second time to save memory does not count as work done.

``python -m benchmarks.gpu --tiny`` checks the script itself on a CPU, with a tiny model.
"""

import argparse
import gc
import importlib.util
import math
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Gemma3Config
from transformers.integrations.liger import apply_liger_kernel

from benchmarks.parts.gemma import gemma3_4b_config, rows, tiny_config, write_random_model
from benchmarks.parts.table import Figure, conclude
from tools.rendering import read_recipe
from verdict.models.load import load_model
from verdict.params import Params
from verdict.runtime.progress import progress
from verdict.training.adaptation import make_trainable
from verdict.training.losses import answer_losses

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "melanoma.yaml"
#: Dense bfloat16 operations a second, by a word of the device's name; the first that fits.
PEAKS = {
    r"H200": 989e12,
    r"H100 PCIe": 756e12,
    r"H100 NVL": 835e12,
    r"H100": 989e12,
    r"A100": 312e12,
    r"L4": 121e12,
}
LIGER = importlib.util.find_spec("liger_kernel") is not None


@dataclass(frozen=True)
class Scale:
    """How large the model is, and how often a step is repeated."""

    config: Gemma3Config
    warm_up: int
    steps: int


@dataclass(frozen=True)
class Variant:
    """One way to take a step; ``batch`` in rows."""

    batch: int
    checkpointing: bool
    cached: bool
    liger: bool

    @property
    def name(self) -> str:
        words = [
            f"batch {self.batch}",
            *(["checkpointing"] if self.checkpointing else []),
            *(["cached vision"] if self.cached else []),
            *(["Liger"] if self.liger else []),
        ]
        return ", ".join(words)


@dataclass(frozen=True)
class Measured:
    """Rows a second, and the most memory allocated in bytes (None on a CPU)."""

    rows_a_second: float
    peak_bytes: int | None


def main() -> None:
    parser = argparse.ArgumentParser(description="Time training steps of a 4B model on this GPU.")
    parser.add_argument(
        "--tiny", action="store_true", help="check the script itself on a CPU, with a tiny model"
    )
    tiny = parser.parse_args().tiny
    if not tiny and not torch.cuda.is_available():
        raise SystemExit(
            "torch finds no usable GPU here, so nothing was measured; run this where nvidia-smi "
            "shows one (--tiny checks the script itself on a CPU)"
        )
    device = "cpu" if tiny else "cuda"
    scale = Scale(tiny_config(), 1, 1) if tiny else Scale(gemma3_4b_config(), 3, 10)
    peak = None if tiny else peak_of(torch.cuda.get_device_name())
    where = "a tiny model on a CPU" if tiny else f"Gemma 3 4B on {torch.cuda.get_device_name()}"
    if not tiny and peak is None:
        where += ", whose peak is not known"
    conclude(
        f"training step, {where}, sdpa",
        measure_all(scale, device, peak),
    )


def measure_all(scale: Scale, device: str, peak: float | None) -> list[Figure]:
    """Return the figures of every variant that can run here.

    Args:
        peak: operations a second that the device can do, where that is known.
    """
    params = read_recipe(RECIPE)
    figures = []
    variants = list(all_variants(device))
    with (
        tempfile.TemporaryDirectory() as folder,
        progress("training steps", total=2 * len(variants), unit="variants") as bar,
    ):
        write_random_model(Path(folder), scale.config, device)
        release()
        flops: dict[bool, int] = {}
        for method in ("LoRA", "QLoRA"):
            model = load(Path(folder), params, device, quantized=method == "QLoRA")
            if not flops:
                # On the bfloat16 model: the counter does not know 4-bit kernels.
                flops = {
                    cached: count_flops(model, rows(scale.config, 1, device, cached), device)
                    for cached in (False, True)
                }
                for cached, count in flops.items():
                    name = f"arithmetic a row{', cached vision' if cached else ''}"
                    figures.append(Figure(name, count / 1e12, "TFLOP"))
            for variant in variants:
                name = f"{method}, {variant.name}"
                measured = measure(model, variant, scale, device)
                figures += figures_of(name, measured, flops[variant.cached], peak)
                bar.advance(note=name)
            del model
            release()
    if not variants[-1].liger:
        reason = "it needs a GPU" if LIGER else "liger_kernel is not installed"
        figures.append(Figure(f"Liger: not measured, {reason}", math.nan))
    return figures


def figures_of(
    name: str, measured: Measured | None, flops: int, peak: float | None
) -> list[Figure]:
    """Return a variant's figures; ``flops`` are those of one row."""
    if measured is None:
        return [Figure(f"{name}: out of memory", math.nan)]
    figures = [Figure(name, measured.rows_a_second, "samples/s", beside=True)]
    if measured.peak_bytes is not None:
        figures.append(Figure("  peak memory", measured.peak_bytes / 1e9, "GB"))
    rate = flops * measured.rows_a_second
    if peak is None:
        figures.append(Figure("  arithmetic", rate / 1e12, "TFLOP/s"))
    else:
        figures.append(Figure("  model-FLOP utilisation", 100 * rate / peak, "%"))
    return figures


def all_variants(device: str) -> Iterator[Variant]:
    """Yield the variants in the order they must run: what Liger replaces stays replaced."""
    # Liger's kernels are for GPUs alone.
    for liger in (False, True) if LIGER and device == "cuda" else (False,):
        for batch in (1, 4):
            for cached in (False, True):
                for checkpointing in (False, True):
                    yield Variant(batch, checkpointing, cached, liger)


def measure(model: Any, variant: Variant, scale: Scale, device: str) -> Measured | None:
    """Time the variant's steps; None where the device's memory does not suffice."""
    model.zero_grad()
    release()
    if variant.liger:
        # As trl does; the loss is computed here.
        apply_liger_kernel(model, {"fused_linear_cross_entropy": False})
    if variant.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.activation_checkpointing_disable()
    batch = rows(scale.config, variant.batch, device, variant.cached)
    try:
        return timed(model, batch, variant.batch, scale, device)
    except torch.cuda.OutOfMemoryError:
        return None


def timed(model: Any, batch: dict[str, Any], size: int, scale: Scale, device: str) -> Measured:
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=1e-5,
        fused=True,
    )
    for _ in range(scale.warm_up):
        step(model, optimizer, batch, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(scale.steps):
        step(model, optimizer, batch, device)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak_bytes = torch.cuda.max_memory_allocated() if device == "cuda" else None
    return Measured(size * scale.steps / seconds, peak_bytes)


def step(model: Any, optimizer: torch.optim.Optimizer, batch: dict[str, Any], device: str) -> None:
    backward(model, batch, device)
    optimizer.step()
    optimizer.zero_grad()


def backward(model: Any, batch: dict[str, Any], device: str) -> None:
    with torch.autocast(device, torch.bfloat16):
        _, losses = answer_losses(model, batch)
    losses.mean().backward()


def count_flops(model: Any, batch: dict[str, Any], device: str) -> int:
    """Count the floating-point operations of forward and backward."""
    with FlopCounterMode(display=False) as counter:
        backward(model, batch, device)
    model.zero_grad()
    return counter.get_total_flops()


def peak_of(name: str) -> float | None:
    """Return the dense bfloat16 peak of a device in operations a second, None if not known."""
    for word, peak in PEAKS.items():
        if re.search(rf"\b{word}\b", name):
            return peak
    return None


def load(folder: Path, params: Params, device: str, *, quantized: bool) -> PeftModel:
    """Load the model as training does, with the recipe's adapter."""
    base = load_model(folder, params.model, device, params.quantization if quantized else None)
    return make_trainable(base, params.train, params.lora).train()


def release() -> None:
    """Give memory back that nothing refers to any more."""
    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
