"""CPU kernels whose bits depend on AVX2 and FMA alone, in the place of two of MKL's.

``reproducibility.pin_cpu`` holds MKL to the one mode that is the same on every maker's processors.
In that mode

- its vector square root starts from the processor's own estimate of the reciprocal root, whose
  digits differ from maker to maker, and may end in another last digit. numpy takes the
  processor's exact root;
- its matrix products use SSE2 alone. oneDNN's, held to AVX2, are two to five times as fast, and
  give the same bits on processors with other caches (``make bench name=processors``).
"""

import functools
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor


@functools.cache
def replace_kernels() -> torch.library.Library:
    """Put them in place for the rest of this process; other devices' kernels stay as they are."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():  # of what is wanted: that kernels are overridden
        warnings.simplefilter("ignore")
        for name, kernel in _KERNELS.items():
            library.impl(name, kernel, "CPU", allow_override=True)
    return library


def _sqrt(values: Tensor) -> Tensor:
    if values.dtype not in (torch.float32, torch.float64):
        return torch.sqrt(values, out=_empty(values, torch.result_type(values, 1.0)))
    # numpy keeps the order of axes in memory, as torch does.
    return torch.from_numpy(np.asarray(np.sqrt(values.detach().numpy())))


def _sqrt_in_place(values: Tensor) -> Tensor:
    return values.copy_(_sqrt(values))


def _power(values: Tensor, exponent: float) -> Tensor:
    if exponent == 0.5:
        return _sqrt(values)
    kind = torch.result_type(values, exponent)
    return torch.pow(values, exponent, out=_empty(values, kind))


def _product(a: Tensor, b: Tensor) -> Tensor:
    if _for_onednn(a, b):
        return _onednn(a, b)
    return torch.mm(a, b, out=a.new_empty(len(a), b.shape[1]))


def _product_and_sum(
    bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    if beta == alpha == 1 and bias.shape == b.shape[1:] and _for_onednn(a, b):
        return _onednn(a, b, bias)
    out = a.new_empty(len(a), b.shape[1])
    return torch.addmm(bias, a, b, beta=beta, alpha=alpha, out=out)


def _for_onednn(a: Tensor, b: Tensor) -> bool:
    return a.dtype is torch.float32 and a.numel() > 0 and b.numel() > 0 and a.shape[1] == len(b)


def _onednn(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise.default(a, b.t(), bias, "none", [], "")


def _empty(like: Tensor, kind: torch.dtype) -> Tensor:
    return torch.empty_like(like, dtype=kind)


_KERNELS: dict[str, Any] = {
    "sqrt": _sqrt,
    "sqrt_": _sqrt_in_place,
    "pow.Tensor_Scalar": _power,
    "mm": _product,
    "addmm": _product_and_sum,
}
