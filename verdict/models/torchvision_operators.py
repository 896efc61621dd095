"""Let torchvision load beside a CPU build of torch.

Gemma 3n's vision tower comes from timm, which imports torchvision. The package index has
torchvision for Linux built for CUDA alone: beside a CPU build of torch its compiled operators do
not load, and its import stops where it describes two of them to the compiler. Everything that
timm and transformers use of it is Python.
"""

from importlib import import_module
from importlib.util import find_spec

#: Non-maximum suppression, for object detection; nothing here calls it.
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_DESCRIBED = ("torchvision::nms", "torchvision::qnms")


def declare_missing_operators() -> None:
    """Declare the operators that torchvision describes, if its compiled library does not load.

    Call it before anything of transformers that reads images. Does nothing where torchvision is
    not installed, or loads by itself. A declared operator has no implementation: to call one is
    an error that says so.
    """
    if find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if f"{_DESCRIBED[0]} does not exist" not in str(error):
            raise
        import torch

        for name in _DESCRIBED:
            torch.library.define(name, _SCHEMA)
        import_module("torchvision")
