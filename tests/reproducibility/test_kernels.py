"""The kernels in MKL's place: right, in place wherever the pins are, and nowhere else."""

import json
import subprocess
import sys
from typing import Any

import pytest

from testing.places import ROOT

PROBE = """
import json, sys
from verdict.params import Reproducibility
from verdict.reproducibility import make_deterministic, pin_cpu
pin_cpu(Reproducibility(device="cpu", cpu_isa=sys.argv[1], threads=1, strict=True))
make_deterministic(1)
import numpy as np, torch
values = torch.rand(1000, 100) * 1e4
roots = {
    "sqrt": torch.sqrt(values),
    "transposed": torch.sqrt(values.t()).t(),
    "in place": values.clone().sqrt_(),
    "power": values ** 0.5,
    "for each": torch._foreach_sqrt([values])[0],
}
exact = np.sqrt(values.numpy())
wrong = {name: int((found.numpy() != exact).sum()) for name, found in roots.items()}
double = values.double()
wrong["double"] = int((double.sqrt().numpy() != np.sqrt(double.numpy())).sum())

def error(a, b):
    return (a @ b - (a.double() @ b.double())).abs().max().item()

weights = torch.randn(90, 70)
products = {
    "plain": error(torch.randn(50, 90), weights),
    "one": error(torch.randn(1, 1), torch.randn(1, 1)),
    "turned": error(torch.randn(90, 50).t(), torch.randn(70, 90).t()),
    "cut out": error(torch.randn(60, 180)[::2, ::2], torch.randn(180, 140)[::2, ::2]),
}
layer = torch.nn.Linear(90, 70)
given = torch.randn(3, 5, 90, requires_grad=True)
layer(given).pow(2).sum().backward()
learned = layer.weight.grad.clone(), layer.bias.grad.clone(), given.grad.clone()
layer.double()
layer.zero_grad()
exactly = given.detach().double().requires_grad_()
layer(exactly).pow(2).sum().backward()
wanted = layer.weight.grad, layer.bias.grad, exactly.grad
products["gradients"] = max((a - b).abs().max().item() for a, b in zip(learned, wanted))
ones = torch.ones
others = [
    torch.tensor(4).sqrt().item(), (torch.tensor(4) ** 0.5).item(), (torch.tensor(3) ** 2).item(),
    torch.tensor(4.0, dtype=torch.bfloat16).sqrt().item(),
    list((torch.ones(0, 9) @ torch.ones(9, 2)).shape),
    (torch.ones(2, 3, dtype=torch.long) @ torch.ones(3, 2, dtype=torch.long)).sum().item(),
    torch.addmm(ones(2, 2), ones(2, 3), ones(3, 2), beta=2, alpha=3).sum().item(),
]
refused = []
for call in (lambda: ones(3, 7) @ ones(6, 3), lambda: torch.nn.Linear(7, 3)(ones(2, 6))):
    try:
        call()
    except RuntimeError as problem:
        refused.append("cannot be multiplied" in str(problem))
kernel = torch._C._dispatch_dump("aten::mm")
print(json.dumps([wrong, products, others, refused, "kernels.py" in kernel]))
"""


def probe(isa: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, isa], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Overriding" not in done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pinned() -> Any:
    return probe("avx2")


def test_roots_are_the_exact_ones(pinned: Any) -> None:
    assert len(pinned[0]) == 6
    assert set(pinned[0].values()) == {0}


def test_products_and_their_gradients_are_right(pinned: Any) -> None:
    # Sums of at most 90 products of numbers around 1, in float32; gradients are a hundred as large.
    products = pinned[1]
    assert products.pop("gradients") < 1e-3
    assert max(products.values()) < 3e-5


def test_other_types_and_shapes_go_their_usual_way(pinned: Any) -> None:
    assert pinned[2] == [2, 2, 9, 2, [0, 2], 12, 44]
    assert pinned[3] == [True, True]


def test_they_are_in_place_only_where_the_processor_is_pinned(pinned: Any) -> None:
    assert pinned[4]
    assert not probe("native")[4]
