"""Save an adapter so that a stranger can use it and knows what it came from."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from transformers import ProcessorMixin

from verdict.files import replacing, sha256_of, sha256_of_tree, write_json
from verdict.models.load import ADAPTER_CONFIG

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


def save_adapter(
    destination: Path, model: Any, processor: ProcessorMixin, provenance: dict[str, Any]
) -> None:
    """Write adapter, processor and ``provenance.json`` into one folder, replacing it whole."""
    with replacing(destination) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)
        # peft's stock model card says nothing about this adapter.
        (partial / "README.md").unlink(missing_ok=True)
        _sort_config(partial / ADAPTER_CONFIG)
        write_json(partial / "provenance.json", provenance)


def describe_origin(
    *,
    base: Path,
    base_name: str,
    base_revision: str | None,
    chat: Path,
    records: Path,
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Return what an adapter came from: base model, data, parameters, package versions."""
    return {
        "base": {
            "name": base_name,
            "revision": base_revision,
            "sha256": sha256_of_tree(base),
        },
        "training_data": {
            "conversations_sha256": sha256_of(chat),
            "records_sha256": sha256_of_tree(records),
        },
        "parameters": parameters,
        # Without the local part: 2.13.0+cpu and 2.13.0+cu130 are the same release.
        "versions": {
            name: importlib.metadata.version(name).partition("+")[0] for name in _PACKAGES
        },
    }


def _sort_config(path: Path) -> None:
    """peft writes target modules in the order of a set, which changes from run to run."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for key, value in config.items():
        if isinstance(value, list):
            config[key] = sorted(value)
    write_json(path, dict(sorted(config.items())))
