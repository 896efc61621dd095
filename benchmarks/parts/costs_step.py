"""One training step without numbers: its operations, and the most memory that it holds.

The step is the project's own: its adapters, its loss, transformers' model. Only the tensors are
fake: they have shape and type, and no values (``torch._subclasses.fake_tensor``). Unlike the meta
device they are subject to autocast as on a real device.
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import convert_outputs_to_fp32  # type: ignore[import-untyped]
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from verdict.params import Params
from verdict.training.losses import answer_losses, label_losses

_aten = torch.ops.aten
#: The CPU's attention, for which torch has no formula: that of the GPU's kernels.
ATTENTION: dict[Any, Callable[..., int]] = {
    _aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(
        q, k, v
    ),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda gradient, q, k, v, *_, **__: sdpa_backward_flop_count(gradient, q, k, v)
    ),
}
_FORMULAS = FlopCounterMode(display=False, custom_mapping=ATTENTION).flop_registry


@dataclass(frozen=True)
class Step:
    """What one forward and backward pass of a batch takes.

    Attributes:
        forward: floating-point operations of the forward pass.
        total: of both, with what gradient checkpointing computes again.
        saved: bytes that are held between the two passes, for the backward one.
        activations: the most bytes alive at once beside weights, gradients and the batch.
        logits: those of them that are as wide as the vocabulary, at their own peak.
    """

    forward: int
    total: int
    saved: int
    activations: int
    logits: int


class Meter(TorchDispatchMode):
    """Counts operations, and the bytes that are alive, of what runs under it.

    Sees what each operation returns; not what a kernel needs while it runs.

    Attributes:
        flops: floating-point operations so far.
        alive: bytes that are alive now; ``peak``: that were alive at most.
        logits: bytes of tensors as wide as the vocabulary that were alive at most.

    Args:
        known: tensors that do not count.
        vocabulary: the width of logits.
    """

    def __init__(self, known: Iterable[torch.Tensor], vocabulary: int):
        super().__init__()
        self.flops = self.alive = self.peak = self.logits = 0
        self._vocabulary = vocabulary
        self._sizes: dict[int, int] = {}
        self._wide = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = _FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=result)
        for value in tree_iter(result):
            if isinstance(value, torch.Tensor):
                self._note(value)
        return result

    def _note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes or key in self._known:
            return
        size = self._sizes[key] = storage.nbytes()
        wide = size if tensor.shape[-1:] == (self._vocabulary,) else 0
        weakref.finalize(storage, self._forget, key, wide)
        self.alive += size
        self._wide += wide
        self.peak = max(self.peak, self.alive)
        self.logits = max(self.logits, self._wide)

    def _forget(self, key: int, wide: int) -> None:
        self.alive -= self._sizes.pop(key)
        self._wide -= wide


def without_numbers(model: nn.Module) -> None:
    """Replace all parameters and buffers on the meta device by fake ones on the CPU."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    made: dict[nn.Parameter, nn.Parameter] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        with mode:
            return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")

    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            # Weights that two modules share stay shared.
            if parameter not in made:
                learns = parameter.requires_grad
                made[parameter] = nn.Parameter(fake(parameter), requires_grad=learns)
            module._parameters[name] = made[parameter]
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                module._buffers[name] = fake(buffer)


def prepare(model: Any, params: Params) -> Any:
    """Make an adapted model ready for a step as the trainers and accelerate do."""
    model.train()
    if params.train.gradient_checkpointing:
        # transformers lets embeddings ask for a gradient then, those of the vision tower too, so
        # that a tower is computed again and passed backwards although nothing in it learns.
        model.activation_checkpointing_enable({"use_reentrant": False})
    if params.model.dtype == "bfloat16":
        autocast = torch.autocast("cpu", torch.bfloat16)
        model.forward = convert_outputs_to_fp32(autocast(model.forward))
    return model


def measure_step(model: Any, inputs: dict[str, torch.Tensor], *, classify: bool) -> Step:
    """Run one forward and backward pass.

    Args:
        inputs: a batch in the collator's form, with ``labels``.
    """
    learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learns:
        # From the second pass of an accumulated batch on, they are there.
        parameter.grad = torch.empty_like(parameter)
    gradients = [parameter.grad for parameter in learns if parameter.grad is not None]
    known = [*model.parameters(), *model.buffers(), *gradients, *inputs.values()]
    losses_of = label_losses if classify else answer_losses
    with Meter(known, model.config.get_text_config().vocab_size) as meter:
        loss = losses_of(model, inputs)[1].sum()
        forward, saved = meter.flops, meter.alive
        loss.backward()
    return Step(forward, meter.flops, saved, meter.peak, meter.logits)
