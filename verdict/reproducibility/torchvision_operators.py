"""Let torchvision load beside a CPU build of torch.

Gemma 3n's vision tower comes from timm, which imports torchvision; so do transformers, peft and trl
where they touch images. The package index has torchvision for Linux built for CUDA alone: beside a
CPU build of torch its compiled operators do not load, and its import stops where it describes two
of them to the compiler. Everything that those packages use of it is Python.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

#: What tries to load the compiled operators, and what describes them right after it.
_LOADER, _DESCRIBER = "torchvision.extension", "torchvision._meta_registrations"
#: Non-maximum suppression, for object detection; nothing here calls it.
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_DESCRIBED = ("torchvision::nms", "torchvision::qnms")


class _Declarer(MetaPathFinder):
    """Finds no module; declares the operators when torchvision is about to describe them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if fullname == _DESCRIBER and not sys.modules[_LOADER]._has_ops():
            import torch

            for name in _DESCRIBED:
                torch.library.define(name, _SCHEMA)


def declare_missing_operators() -> None:
    """Declare the operators that torchvision describes, once its compiled library did not load.

    Call it before anything of transformers, peft or trl is imported. It imports nothing: whoever
    needs no torchvision does not wait for it. A declared operator has no implementation: to call
    one is an error that says so.
    """
    if not any(isinstance(finder, _Declarer) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Declarer())
