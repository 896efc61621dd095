"""Compare two files of weights: safetensors, which also say of what form each weight is."""

from pathlib import Path
from typing import Any

from tools.verify.results import Finding, different, equivalent

SUFFIX = ".safetensors"


def compare_weights(published: Path, remade: Path) -> Finding:
    """Compare weight by weight; what was trained anew is judged by more than this."""
    # Only now: torch takes seconds to import, and weights are rarely made again.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if _form(published) != _form(remade):
            return different("other names, shapes or types of weights, or other words about them")
        before, after = load_file(published), load_file(remade)
    except SafetensorError as error:
        return different(f"cannot be read as weights: {error}")
    count = sum(int((before[key] != after[key]).sum()) for key in before)
    if not count:
        return equivalent("the same weights, stored otherwise")
    apart = {key: float((before[key].double() - after[key].double()).abs().max()) for key in before}
    name = max(apart, key=lambda key: apart[key])
    return different(f"{count:,} weights, {name} by {apart[name]:.2g} at most")


def same_form(published: Path, remade: Path) -> bool:
    """Say whether two files hold weights of the same names, shapes and types."""
    from safetensors import SafetensorError

    try:
        return _form(published) == _form(remade)
    except SafetensorError:
        return False


def _form(path: Path) -> tuple[dict[str, str] | None, dict[str, Any]]:
    """Return what a file says of its weights: its metadata, and the shape and type of each."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
        form = {name: (one.get_shape(), one.get_dtype()) for name, one in slices.items()}
        return file.metadata(), form
