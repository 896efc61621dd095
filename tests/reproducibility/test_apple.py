"""Apple's GPU, as far as a machine without one can tell: what is chosen, and what is refused."""

import copy
import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from testing.places import ROOT
from testing.tiny import COMMITTED, MODEL, TRAIN
from verdict.core.errors import VerdictError
from verdict.params import Params, Reproducibility

torch = pytest.importorskip("torch")

APPLE = {"device": "mps", "strict": False}


def params(**changes: Any) -> dict[str, Any]:
    """Committed parameters with Apple's GPU, and what a dotted key has instead."""
    values = copy.deepcopy(COMMITTED)
    values["reproducibility"] |= APPLE
    values["quantization"]["load_in_4bit"] = False
    for key, value in changes.items():
        section, name = key.split("__")
        values[section][name] = value
    return values


def test_it_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from verdict.reproducibility import device_name

    options = Params.model_validate(params()).reproducibility
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_name(options) == "mps"
    assert device_name(options.model_copy(update={"device": "auto"})) == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(VerdictError, match=r"is mps, but torch finds no GPU of Apple's.* to cpu"):
        device_name(options)


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"reproducibility__strict": True},
            r"no deterministic .*: set reproducibility\.strict",
        ),
        ({"quantization__load_in_4bit": True}, r"bitsandbytes .*: set quantization\.load_in_4bit="),
        ({"train__launcher": "torchrun"}, r"one process: set train\.launcher=none"),
        ({"train__fsdp": True}, r"one process: set train\.fsdp=false"),
        ({"train__deepspeed": {"a": 1}}, r"it needs CUDA: set train\.deepspeed=null"),
    ],
)
def test_what_it_cannot_do_is_refused_by_its_key(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Params.model_validate(params(**changes))
    elsewhere = params(**changes)
    elsewhere["reproducibility"]["device"] = "cpu"
    Params.model_validate(elsewhere)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_precisions_are_taken_as_they_are_asked_for(dtype: str) -> None:
    assert Params.model_validate(params(model__dtype=dtype)).model.dtype == dtype
    with pytest.raises(ValidationError, match="float16 is refused"):
        Params.model_validate(params(model__dtype="float16"))


def test_operations_that_it_lacks_run_on_the_cpu() -> None:
    code = """
import os
from verdict.params import Reproducibility
from verdict.reproducibility import pin_cpu
pin_cpu(Reproducibility(device="mps", cpu_isa="native", threads=None, strict=False))
print(os.environ["PYTORCH_ENABLE_MPS_FALLBACK"], "CUDA_VISIBLE_DEVICES" in os.environ)
"""
    plain = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=plain, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "False"], done.stderr


def test_training_there_uses_what_it_has(tmp_path: Any) -> None:
    from verdict.training.arguments import optimizer_for, training_arguments

    assert optimizer_for("paged_adamw_8bit", "mps") == "adamw_torch_fused"
    assert optimizer_for("adamw_torch", "mps") == "adamw_torch"
    assert optimizer_for("paged_adamw_8bit", "cuda") == "paged_adamw_8bit"
    made = training_arguments(TRAIN, MODEL, tmp_path, "mps")
    assert (made.use_cpu, made.dataloader_pin_memory, made.bf16) == (False, False, False)
    for name in ("torch_compile", "use_liger_kernel"):
        options = TRAIN.model_copy(update={name: True})
        with pytest.raises(VerdictError, match=rf"train\.{name} needs CUDA; on Apple's GPU set"):
            training_arguments(options, MODEL, tmp_path, "mps")


def test_sums_in_float64_are_the_cpus() -> None:
    """Tensors without numbers know what device they would be on."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from verdict.answers.evaluator import classify
    from verdict.answers.score import exact

    class Head:
        def __call__(self, **_: Any) -> Any:
            class Output:
                logits = torch.tensor([[0.5, 1.5]])

            return Output

    with FakeTensorMode():
        there = torch.empty(2, 3, device="mps")
        found = exact(there)
        assert (there.device.type, found.device.type) == ("mps", "cpu")
        assert found.sum(-1, dtype=torch.float64).shape == (2,)
    here = torch.ones(2)
    assert exact(here) is here
    [scores] = classify(Head(), {}, ["a", "b"], ["b", "a"])
    assert scores == pytest.approx([-0.313262, -1.313262], abs=1e-6)


def test_a_system_without_an_affinity_of_processes_has_all_its_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from verdict.engine.work import usable_cores

    assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()


def test_a_verification_elsewhere_says_what_it_needs() -> None:
    from tests.verify.test_remake import STAGES
    from verify.plan import plan
    from verify.verification import _gpu

    chosen = Params.model_validate(params())
    refused = {job.name: job.refused for job in plan(STAGES, chosen, train=True, gpu=False)}
    assert refused["evaluate@tuned"] == "needs a GPU: reproducibility.device is mps"
    assert not _gpu(chosen)


def test_elsewhere_nothing_has_changed() -> None:
    from verdict.reproducibility import device_name

    for device in ("cpu", "auto"):
        options = Reproducibility(device=device, cpu_isa="native", threads=None, strict=True)
        assert device_name(options) == "cpu"
