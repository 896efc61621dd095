"""What a GGUF file says about itself, and whether it is one that can be read here."""

import os
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFReader, LlamaFileType
from transformers.integrations.gguf.reader import read_gguf_metadata

from verdict.core.errors import VerdictError, first_line

ARCHITECTURE = "gemma3"
#: The half of a model that sees images, which llama.cpp keeps in a file of its own.
_VISION = "clip"
#: What the readers raise for files that are cut, damaged or no GGUF.
_DAMAGE = (ValueError, LookupError, TypeError, OverflowError, AttributeError, struct.error)


@dataclass(frozen=True)
class GgufFile:
    """An opened file; no tensor has been read yet.

    Attributes:
        shown: what messages call it.
        metadata: its keys; of lists of texts, such as the vocabulary, the length.
        tensors: as :class:`gguf.GGUFReader` has them, mapped into memory.
    """

    path: Path
    shown: str
    metadata: dict[str, Any]
    tensors: list[Any]

    def stated(self, key: str, default: Any = None) -> Any:
        """Return what the file says under ``gemma3.KEY``: a number above 0.

        Raises:
            VerdictError: it says nothing, and there is no default; or no such number.
        """
        found = self.metadata.get(f"{ARCHITECTURE}.{key}", default)
        if found is None:
            raise VerdictError(
                f"{self.shown} does not say its {ARCHITECTURE}.{key}, without which the model "
                "cannot be built. Choose a file that llama.cpp's converter has written."
            )
        if not (isinstance(found, int | float) and found > 0):
            raise VerdictError(
                f"{self.shown} says its {ARCHITECTURE}.{key} is {found!r}, where a number above 0 "
                "is expected. Choose a file that llama.cpp's converter has written."
            )
        return found

    def describe(self, sha256: str) -> dict[str, Any]:
        """Return what the weights are and what quantization has left of them, for provenance."""
        bits = 8 * sum(int(tensor.n_bytes) for tensor in self.tensors)
        weights = sum(int(tensor.n_elements) for tensor in self.tensors)
        types = Counter(tensor.tensor_type.name for tensor in self.tensors)
        general = {
            key: self.metadata[f"general.{key}"]
            for key in ("name", "license", "license.name", "license.link")
            if f"general.{key}" in self.metadata
        }
        return {
            "format": "GGUF",
            "sha256": sha256,
            "quantization": self._quantization() or types.most_common(1)[0][0],
            "bits_a_weight": round(bits / weights, 2),
            "tensors": dict(sorted(types.items())),
            **{key.replace(".", "_"): value for key, value in general.items()},
        }

    def _quantization(self) -> str | None:
        """Return the name of the mixture, such as Q4_K_M, as people call the file."""
        try:
            name = LlamaFileType(self.metadata["general.file_type"]).name
        except (KeyError, ValueError):
            return None
        return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def open_gguf(path: Path, shown: str) -> GgufFile:
    """Open a file and check that it is whole, a Gemma 3 for text, and of no unknown type.

    Raises:
        VerdictError: it is not.
    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise VerdictError(
                f"{shown} is no GGUF file. Correct the addresses; of a file in parts, their order."
            )
    try:
        # First, and strict: the second reader goes on behind a file's end.
        metadata, _ = read_gguf_metadata(str(path))
        _refuse_architecture(metadata, shown)
        tensors = GGUFReader(path).tensors
    except _DAMAGE as error:
        if "GGMLQuantizationType" in str(error):
            raise VerdictError(
                f"{shown} holds a type of weights that the package gguf does not know ({error}). "
                "Choose another quantization of the model, such as Q8_0 or Q4_K_M."
            ) from None
        raise VerdictError(
            f"{shown} ends early or is damaged ({first_line(error)}). Fetch the whole "
            "file and give its sha256; of a file in parts, name all of them."
        ) from None
    end = max((tensor.data_offset + tensor.n_bytes for tensor in tensors), default=0)
    behind = os.path.getsize(path) - int(end)
    if behind >= metadata.get("general.alignment", 32):
        raise VerdictError(
            f"{shown} holds {behind:,} bytes behind its last weight, such as a second file. Name "
            "the parts of one GGUF file alone."
        )
    return GgufFile(path, shown, metadata, tensors)


def _refuse_architecture(metadata: dict[str, Any], shown: str) -> None:
    found = metadata["general.architecture"]
    if found == _VISION:
        raise VerdictError(
            f"{shown} is an mmproj file: the half of a model that sees images, without the half "
            "that writes. transformers reads no such file: for images take the model from the "
            "hub (name and revision); for text alone name its other GGUF file."
        )
    if found != ARCHITECTURE:
        raise VerdictError(
            f"{shown} holds a model of the architecture {found!r}, and only {ARCHITECTURE} is read "
            "from GGUF. Take it from the hub (name and revision), or choose a Gemma 3."
        )
