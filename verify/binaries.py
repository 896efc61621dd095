"""Compare figures by what they show, and weights by their numbers: PNG and safetensors files."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from verify.findings import Finding, different, equivalent

#: How the files of weights end.
WEIGHTS = ".safetensors"

#: Of a figure so many pixels may differ: lines and edges fall on other pixels elsewhere.
_PIXELS = 0.02
#: … but each, of 255, by no more than this from the pixel itself or one that touches it.
_SHADES = 32

_SIGNATURE = 8  # bytes before a PNG's first chunk


def compare_images(published: Path, remade: Path) -> Finding:
    """Compare the pixels, and all else that a file says about how it is to be shown."""
    try:
        before, after = _pixels(published), _pixels(remade)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return different(f"cannot be read as an image: {error}")
    if before.shape != after.shape:
        return different(
            f"{before.shape[1]} × {before.shape[0]} pixels, made again "
            f"{after.shape[1]} × {after.shape[0]}"
        )
    # Further frames, a colour profile, gamma: the same pixels would be shown otherwise.
    if named := _differing(_chunks(published.read_bytes()), _chunks(remade.read_bytes())):
        return different(f"is shown otherwise than the one made again, by its {named}")
    elsewhere = _beyond(before, after) | _beyond(after, before)
    if elsewhere.any():
        y, x = np.argwhere(elsewhere)[0]
        return different(f"{int(elsewhere.sum()):,} pixels show something else, from {x}, {y} on")
    share = float((before != after).any(axis=-1).mean())
    said = f"{100 * share:.2g} % of the pixels differ, tolerance {100 * _PIXELS:g} %"
    return different(said) if share > _PIXELS else equivalent(f"{said}: edges drawn otherwise")


def _pixels(path: Path) -> np.ndarray:
    """Return the pixels (height, width, RGBA).

    Raises:
        ValueError: the file has several frames, of which a browser shows one after another.
    """
    with Image.open(path, formats=["PNG"]) as image:
        frames = getattr(image, "n_frames", 1)
        if frames != 1:
            raise ValueError(f"it has {frames} frames, a figure has one")
        return np.asarray(image.convert("RGBA")).astype(np.int16)


def _chunks(data: bytes) -> list[tuple[str, bytes]]:
    """Return name and content of a PNG's parts, in their order, but for those of the pixels."""
    chunks: list[tuple[str, bytes]] = []
    at = _SIGNATURE
    while at < len(data) and not (chunks and chunks[-1][0] == "IEND"):
        name, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4])
        if name != b"IDAT":
            chunks.append((name.decode("latin-1"), data[at + 8 : end]))
        at = end + 4  # the checksum
    return [*chunks, ("end", data[at:])]


def _differing(before: list[tuple[str, bytes]], after: list[tuple[str, bytes]]) -> str:
    """Name what only one of two files has; nothing if both have the same, in the same order."""
    names = [name for name, content in before if (name, content) not in after]
    names += [name for name, content in after if (name, content) not in before]
    if not names and before != after:
        return "order"
    return ", ".join(dict.fromkeys(names))


def _beyond(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Say of which pixels (height, width) no such colour is in the other, at or beside them."""
    # Only now: it takes a second to import, and equal figures need none of it.
    from scipy.ndimage import maximum_filter, minimum_filter

    around = (3, 3, 1)
    low, high = minimum_filter(other, around), maximum_filter(other, around)
    return ((image < low - _SHADES) | (image > high + _SHADES)).any(axis=-1)


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
