"""What a model came from: base, data, parameters and packages, as its maker recorded them."""

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.paths import BASE, CHAT, PROVENANCE_FILE, RECORDS

_AGAIN = "run `dvc pull` or `dvc repro train`, or copy the whole folder again from where it came"

#: The packages that decide the numbers.
_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "accelerate",
    "tokenizers",
    "numpy",
    "pillow",
    "pyarrow",
    "datasets",
)


def read_provenance(folder: Path) -> dict[str, Any]:
    """Return what a folder's model came from, as its maker recorded it; nothing where none did.

    Raises:
        VerdictError: the file is damaged.
    """
    path = folder / PROVENANCE_FILE
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VerdictError(f"{path} is damaged ({error}); {_AGAIN}") from None
    if not isinstance(found, dict):
        raise VerdictError(f"{path} is damaged (it holds no object); {_AGAIN}")
    return found


def describe_origin(
    *,
    base_name: str,
    base_revision: str | None,
    digests: Mapping[str, str],
    labels: list[str] | None,
    parameters: dict[str, Any],
    base_weights: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what an adapter came from: base model, data, parameters, package versions.

    Args:
        digests: the SHA-256 of each dependency of the train stage, by its path.
        labels: a classifier's labels in the order of its outputs; None for a model that writes.
        base_weights: of a base whose folder says so: the format that they came in, and its loss.
    """
    return {
        "base": {
            "name": base_name,
            "revision": base_revision,
            "sha256": digests[str(BASE)],
            **({"weights": base_weights} if base_weights else {}),
        },
        "labels": labels,
        "training_data": {
            "conversations_sha256": digests[str(CHAT / "train.jsonl")],
            "records_sha256": digests[str(RECORDS)],
        },
        "parameters": parameters,
        # Without the local part: 2.13.0+cpu and 2.13.0+cu130 are the same release.
        "versions": {
            name: importlib.metadata.version(name).partition("+")[0] for name in _PACKAGES
        },
    }
