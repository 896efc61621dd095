"""Does a processor with AVX-512 compute what one without computes, once they are pinned?

One machine plays several: variables of MKL, oneDNN, glibc and OpenBLAS keep them from using what
the processor has. What no variable reaches (another microarchitecture's own rounding, a library
that asks the processor itself) is not shown here.
"""

import os
import subprocess
import sys
from typing import Any

import pytest

from testing.places import ROOT
from testing.tiny import Tiny

TRAIN = """
import hashlib, sys
from pathlib import Path
from verdict.params import Reproducibility
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa=sys.argv[2], threads=1, strict=True))
import tempfile
from testing.tiny import QLORA, open_tiny, train_tiny
with tempfile.TemporaryDirectory() as folder:
    training = train_tiny(open_tiny(Path(sys.argv[1])), Path(folder), quantization=QLORA)
digest = hashlib.sha256()
for name, parameter in sorted(training.model.named_parameters()):
    if parameter.requires_grad:
        digest.update(parameter.detach().numpy().tobytes())
print(digest.hexdigest(), [entry["loss"] for entry in training.log])
"""
WITHOUT_AVX512 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512DQ,-AVX512BW,-AVX512CD",
    "OPENBLAS_CORETYPE": "Haswell",
}


def trained(tiny: Tiny, isa: str, environment: dict[str, str]) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in WITHOUT_AVX512}
    result = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tiny.base.parent), isa],
        cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_pinned_runs_agree_with_and_without_avx512(tiny: Any) -> None:
    assert trained(tiny, "avx2", {}) == trained(tiny, "avx2", WITHOUT_AVX512)


def test_without_the_pins_they_differ(tiny: Any) -> None:
    import torch

    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("this processor has no AVX-512, so there is nothing to tell apart")
    assert trained(tiny, "native", {}) != trained(tiny, "native", WITHOUT_AVX512)
