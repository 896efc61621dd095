"""The pins reach the libraries that they are meant for."""

import json
import subprocess
import sys

import pytest

from testing.places import ROOT

PROBE = """
import json, sys
from verdict.params import Reproducibility
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa=sys.argv[1], threads=1, strict=True))
import numpy, torch
from numpy._core._multiarray_umath import __cpu_features__ as features
print(json.dumps({
    "aten": torch.backends.cpu.get_cpu_capability(),
    "threads": torch.get_num_threads(),
    "avx512_in_numpy": features["X86_V4"],
    "cuda": torch.cuda.is_available(),
}))
"""


def probe(isa: str) -> dict[str, object]:
    result = subprocess.run(
        [sys.executable, "-c", PROBE, isa], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def test_avx2_is_what_torch_and_numpy_then_use() -> None:
    pinned = probe("avx2")
    assert pinned == {"aten": "AVX2", "threads": 1, "avx512_in_numpy": False, "cuda": False}


def test_native_leaves_the_instruction_set_alone() -> None:
    code = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    free = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert probe("native")["aten"] == free.strip()


def test_nothing_is_compiled_unless_it_is_asked_for() -> None:
    code = """
import sys
from verdict.params import Reproducibility
from verdict.reproducibility import pin_cpu
options = Reproducibility(device="cpu", cpu_isa="avx2", threads=1, strict=True)
pin_cpu(options, compiled=sys.argv[1] == "compiled")
import torch
print(torch.compile(torch.sin) is torch.sin)
"""
    for asked, plain in (("plain", "True"), ("compiled", "False")):
        command = [sys.executable, "-c", code, asked]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == plain, done.stderr


def test_pins_that_come_too_late_are_an_error() -> None:
    code = f"import torch\nimport sys\nsys.argv = ['', 'avx2']\n{PROBE}"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "must run before torch is imported" in result.stderr


def test_a_gpu_that_is_asked_for_and_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from verdict.core.errors import VerdictError
    from verdict.params import Reproducibility
    from verdict.reproducibility import device_name

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = Reproducibility(device="cuda", cpu_isa="native", threads=None, strict=True)
    with pytest.raises(VerdictError, match=r"torch finds no usable GPU; check `nvidia-smi`"):
        device_name(wanted)
    assert device_name(wanted.model_copy(update={"device": "auto"})) == "cpu"
