"""Save what was trained so that a stranger can use it and knows what it came from."""

import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils import CONFIG_NAME
from safetensors import safe_open
from transformers import ProcessorMixin

from verdict.core.errors import VerdictError
from verdict.core.files import replacing, write_json
from verdict.core.paths import BASE, CHAT, RECORDS

PROVENANCE_FILE = "provenance.json"
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


def save_adapter(
    destination: Path,
    model: Any,
    processor: ProcessorMixin,
    provenance: dict[str, Any],
    dtype: torch.dtype = torch.float32,
    state_dict: dict[str, Any] | None = None,
) -> None:
    """Write adapter, processor and ``provenance.json`` into one folder, replacing it whole.

    Args:
        model: a peft model, of which the adapter is saved in float32; or a wholly trained model, of
            which everything is saved.
        dtype: what a wholly trained model is saved in; its parameters are cast in place, since a
            second copy might not fit into memory.
        state_dict: the weights, where ``model`` itself holds only a shard of them.

    Raises:
        VerdictError: a saved weight has no elements.
    """
    with replacing(destination) as partial:
        if isinstance(model, PeftModel):
            # "auto" asks the hub for the base's vocabulary; nothing here changes its size.
            model.save_pretrained(str(partial), state_dict=state_dict, save_embedding_layers=False)
            _sort_config(partial / CONFIG_NAME)
        else:
            for parameter in model.parameters():
                parameter.data = parameter.data.to(dtype)
            if state_dict is not None:
                state_dict = {name: value.to(dtype) for name, value in state_dict.items()}
            model.save_pretrained(partial, state_dict=state_dict)
        _check_not_empty(partial)
        processor.save_pretrained(partial)
        # peft's stock model card says nothing about this adapter, and the trainer's pickled
        # arguments belong to this run alone.
        for name in ("README.md", "training_args.bin"):
            (partial / name).unlink(missing_ok=True)
        write_json(partial / PROVENANCE_FILE, provenance)
        # safetensors lets nobody but the owner read what it writes.
        for path in partial.glob("*.safetensors"):
            shutil.copymode(partial / PROVENANCE_FILE, path)


def _check_not_empty(folder: Path) -> None:
    """Refuse to publish what sharding left as placeholders."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 -- no mapping
                if 0 in file.get_slice(name).get_shape():
                    raise VerdictError(f"{name} would be saved empty; nothing is published")


def describe_origin(
    *,
    base_name: str,
    base_revision: str | None,
    digests: Mapping[str, str],
    labels: list[str] | None,
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Return what an adapter came from: base model, data, parameters, package versions.

    Args:
        digests: the SHA-256 of each dependency of the train stage, by its path.
        labels: a classifier's labels in the order of its outputs; None for a model that writes.
    """
    return {
        "base": {
            "name": base_name,
            "revision": base_revision,
            "sha256": digests[str(BASE)],
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


def _sort_config(path: Path) -> None:
    """peft writes target modules in the order of a set, which changes from run to run."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for key, value in config.items():
        if isinstance(value, list):
            config[key] = sorted(value)
    write_json(path, dict(sorted(config.items())))
