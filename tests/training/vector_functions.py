"""A guard: which code reaches a function of MKL's vector library that depends on the processor?"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Measured in the mode that the pins choose, for 100,000 values each: bits differ between makers.
DIFFERING = {
    torch.float32: {"sqrt", "asin", "acos", "atan", "log10"},
    torch.float64: {"sqrt", "tan"},
}
#: Where ``verdict.reproducibility.kernels`` takes the exact root instead (each root of several is
#: one of these).
REPLACED = {"aten.sqrt.default", "aten.sqrt_.default", "aten.pow.Tensor_Scalar"}


class VectorFunctions(TorchDispatchMode):
    """Notes who calls one of these on the CPU; ``found``: function, type and place of each.

    What a fused operation computes inside is not seen; ``benchmarks.processors`` compares that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found = set[str]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__.removesuffix("_")
        if name.startswith("_foreach_sqrt") or str(func) in REPLACED:
            name = ""
        elif name == "pow" and any(isinstance(one, float) and one == 0.5 for one in args):
            name = "sqrt"
        name = name.removeprefix("_foreach_")
        result = func(*args, **kwargs)
        for value in tree_leaves((result, args)):
            if (
                isinstance(value, torch.Tensor)
                and value.device.type == "cpu"
                and name in DIFFERING.get(value.dtype, ())
            ):
                self.found.add(f"{name} of {value.dtype} by {_caller()}")
        return result


def _caller() -> str:
    """Return the innermost lines that are neither torch's nor this file's."""
    frames = [
        frame
        for frame in traceback.extract_stack()
        if frame.filename != __file__ and "/site-packages/torch/" not in frame.filename
    ]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames[-6:]))


@contextmanager
def guarded() -> Iterator[None]:
    """Fail where one is reached inside, naming the caller."""
    with VectorFunctions() as watching:
        yield
    assert not watching.found, "\n".join(sorted(watching.found))
