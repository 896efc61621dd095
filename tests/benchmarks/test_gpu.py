"""The GPU benchmark's script: it runs, counts what it should, and claims nothing without a GPU."""

import os
import subprocess
import sys

import pytest

from testing.places import ROOT

torch = pytest.importorskip("torch")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_every_variant_runs_with_a_tiny_model() -> None:
    done = run("--tiny")
    assert done.returncode == 0, done.stderr
    for method in ("LoRA", "QLoRA"):
        for batch in (1, 4):
            for rest in (
                "",
                ", checkpointing",
                ", cached vision",
                ", checkpointing, cached vision",
            ):
                assert f" {method}, batch {batch}{rest} " in done.stdout
    assert done.stdout.count("samples/s") == 16
    assert "a tiny model on a CPU" in done.stdout
    assert "Liger: not measured" in done.stdout
    assert "out of memory" not in done.stdout
    assert "utilisation" not in done.stdout


def test_nothing_is_claimed_without_a_gpu() -> None:
    done = run()
    assert done.returncode != 0
    assert "nothing was measured" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", None),
    ],
)
def test_peaks_by_name(name: str, peak: float | None) -> None:
    from benchmarks.gpu import peak_of

    assert peak_of(name) == peak


def test_the_large_model_has_the_published_size() -> None:
    from transformers import Gemma3ForConditionalGeneration

    from benchmarks.parts.gemma import gemma3_4b_config

    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(gemma3_4b_config())
    # As the hub counts google/gemma-3-4b-it.
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_300_079_472
    kinds = model.config.text_config.layer_types
    assert [kinds[i] for i in range(6)] == ["sliding_attention"] * 5 + ["full_attention"]
