"""Images inside the page: as they are stored where they are small, else smaller."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

#: All images together, in bytes of base64 text: what is left of 5 MB is for words.
BUDGET = 3_000_000

#: Longest side in pixels and JPEG quality, best first; the first that fits the budget is taken.
LADDER = ((320, 85), (256, 82), (192, 80), (144, 78), (96, 72), (64, 65))

_TYPES = {"JPEG": "image/jpeg", "WEBP": "image/webp", "PNG": "image/png"}


@dataclass(frozen=True)
class Picture:
    """An image for an ``img`` element."""

    uri: str
    #: Of what is embedded, in pixels.
    width: int
    height: int


def embed(images: Mapping[str, bytes]) -> dict[str, Picture]:
    """Return the encoded images as ``data:`` URIs, by the same names.

    All are made with the same longest side, the largest for which they fit into the budget.
    """
    pictures: dict[str, Picture] = {}
    for side, quality in LADDER:
        pictures = {name: _picture(data, side, quality) for name, data in images.items()}
        if sum(len(picture.uri) for picture in pictures.values()) <= BUDGET:
            break
    return pictures


def _picture(data: bytes, side: int, quality: int) -> Picture:
    with Image.open(io.BytesIO(data), formats=list(_TYPES)) as image:
        media, size = _TYPES[str(image.format)], image.size
        if max(size) > side:
            image.load()
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
            data, media, size = buffer.getvalue(), "image/jpeg", image.size
    return Picture(f"data:{media};base64,{base64.b64encode(data).decode()}", *size)
