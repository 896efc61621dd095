"""What a training run leaves: the adapter or the whole model, its metrics, its pre-flight."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils import CONFIG_NAME
from rich.console import Console
from safetensors import safe_open
from transformers import ProcessorMixin

from verdict.core.errors import VerdictError
from verdict.core.files import replacing, write_csv, write_json
from verdict.models.provenance import PROVENANCE_FILE
from verdict.runtime.processes import is_main
from verdict.training.job import TrainingResult
from verdict.training.preflight import Preflight


def write_results(
    training: TrainingResult,
    adapter: Path,
    metrics: Path,
    processor: ProcessorMixin,
    origin: dict[str, Any],
    dtype: str,
) -> None:
    """Write the adapter (or the whole model) and the run's metrics, each replaced whole.

    Args:
        dtype: what a wholly trained model is stored in; adapters stay in float32.
    """
    consumed = [id_ for batch in training.consumed for id_ in batch]
    origin = {
        **origin,
        "consumed": {
            "rows": len(consumed),
            # The records of every forward pass, in order: two runs that agree saw the same.
            "sha256": _sha256_of_lines(consumed),
        },
        "class_imbalance": training.selection.summary(),
    }
    save_adapter(
        adapter,
        training.model,
        processor,
        origin,
        dtype=getattr(torch, dtype),
        state_dict=training.state_dict,
    )
    _write_curve(metrics / "plots" / "loss.csv", training.log)
    _write_curve(
        metrics / "plots" / "eval_loss.csv", training.evaluations, header=("step", "eval_loss")
    )
    write_json(metrics / "train.json", training.summary())


def write_preflight(checks: Preflight, metrics: Path) -> None:
    """Show the checks before step 1, and write their figures."""
    if is_main():
        Console(stderr=True).print(checks.table())
        write_json(metrics / "preflight.json", checks.as_json())


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


def _sort_config(path: Path) -> None:
    """peft writes target modules in the order of a set, which changes from run to run."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for key, value in config.items():
        if isinstance(value, list):
            config[key] = sorted(value)
    write_json(path, dict(sorted(config.items())))


def _write_curve(
    path: Path, points: list[dict[str, float]], header: tuple[str, ...] | None = None
) -> None:
    write_csv(path, header or tuple(points[0]), [tuple(point.values()) for point in points])


def _sha256_of_lines(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
