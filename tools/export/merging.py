"""Merge an adapter, store the whole in bfloat16, and prove that it is the model it was.

One copy of the model is in memory at a time: the adapter is merged in place, and the copy is gone
before another process loads what was stored. Import this only after
``verdict.reproducibility.pin_cpu``.
"""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tools.export import DTYPE
from tools.export.parity import Parity, Prompts, compare, require
from tools.predict.answering import Weights
from tools.publish.files import NOTICE, TERMS
from verdict.answers.inference import MODEL_CONFIG, Loaded, load_for_inference
from verdict.core.errors import VerdictError
from verdict.core.files import replacing, sha256_of_tree, write_json
from verdict.core.paths import DATA, METRICS, MODELS
from verdict.models.provenance import PROVENANCE_FILE, read_provenance
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verdict.report.terms import notice_text, terms_of
from verdict.reproducibility import device_name, make_deterministic
from verdict.sources.weights import terms_files
from verdict.training.results import save_adapter

#: Folders of stages' outputs: another file in one of them makes `dvc status` unclean.
_OF_DVC = (DATA, MODELS, METRICS)


def export(
    params: Params, weights: Weights, output: Path, prompts: int, say: Callable[[str], None]
) -> Parity:
    """Write safetensors, processor, chat template and provenance into a new folder.

    Args:
        prompts: how many of the test split prove it.

    Returns:
        How far the stored model, used in bfloat16, is from the one evaluated.

    Raises:
        VerdictError: the folder exists, cannot be made or is among DVC's, there is nothing to
            export, or the stored model gives other logits; nothing is written then.
    """
    _check(weights, output)
    asked = Prompts(prompts)
    device, dtype = device_name(params.reproducibility), params.model.dtype
    make_deterministic(0, strict=params.reproducibility.strict)
    say(f"loading {weights.adapter} over {weights.model}, in {dtype}")
    form = params.format.form
    loaded = load_for_inference(weights.model, weights.adapter, params.model, device, form)
    expected, base = asked.logits(loaded, device), None
    # A peft model, which lies over its base; not a wholly trained one.
    if hasattr(loaded.model, "merge_and_unload"):
        with loaded.model.disable_adapter():
            base = asked.logits(loaded, device)
        say("merging")
        loaded = replace(loaded, model=loaded.model.merge_and_unload(safe_merge=True))
        merged = compare(
            dtype, expected, asked.logits(loaded, device), base, rounded=dtype == DTYPE
        )
        say(f"merged, {merged}")
        require(merged, "What was merged", output)
    else:
        say(f"{weights.adapter} is a whole model already: there is nothing to merge")
    with replacing(output) as partial:
        say(f"storing in {DTYPE}")
        # In place: a second copy might not fit into memory.
        for parameter in loaded.model.parameters():
            parameter.data = parameter.data.to(getattr(torch, DTYPE)).to(parameter.dtype)
        rounded = asked.logits(loaded, device)
        provenance = _provenance(weights, loaded)
        save_adapter(
            partial, loaded.model, loaded.processor, provenance, dtype=getattr(torch, DTYPE)
        )
        _pass_on(params, weights, partial)
        del loaded
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()
        say("loading it in another process")
        found = _logits_of(partial, prompts)
        stored = compare(dtype, rounded, found[dtype])
        say(f"stored, {stored}")
        require(stored, "What was stored", output)
        used = compare(DTYPE, expected, found[DTYPE], base, rounded=True)
        say(f"used, {used}")
        require(used, f"In {DTYPE} it", output)
        write_json(partial / PROVENANCE_FILE, {**provenance, "parity": asdict(used)})
    return used


def _check(weights: Weights, folder: Path) -> None:
    """Refuse where there is nothing to merge, or no place for it, before any work is done."""
    if folder.exists():
        raise VerdictError(f"{folder} exists; name another folder, or remove it first")
    if weights.adapter.name == MODEL_CONFIG:
        raise VerdictError(
            f"{weights.name} is {weights.model} as it comes: there is no adapter to merge"
        )
    for place in _OF_DVC:
        # By its name, and by where links lead.
        inside = (
            (Path(os.path.abspath(folder)), place.absolute()),
            (folder.resolve(), place.resolve()),
        )
        if any(path.is_relative_to(root) for path, root in inside):
            raise VerdictError(
                f"{folder} is in {place}/, which holds what stages write: `dvc status` would never "
                "be clean again. Name a folder elsewhere, such as exported"
            )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent):
            pass
    except OSError as error:
        raise VerdictError(f"{folder} cannot be written: {error.strerror}") from None


def _pass_on(params: Params, weights: Weights, folder: Path) -> None:
    """Lay what the terms of the model ask to be passed on into a folder: NOTICE, and ``terms/``."""
    used = terms_of(params.terms, params.models, synthetic=params.fetch.source == EMBEDDED)
    if text := notice_text(used):
        (folder / NOTICE).write_text(text, encoding="utf-8")
    model = params.models.get(weights.model.name)
    for path in terms_files(model, weights.model) if model else ():
        (folder / TERMS).mkdir(exist_ok=True)
        shutil.copy(path, folder / TERMS)


def _provenance(weights: Weights, loaded: Loaded) -> dict[str, Any]:
    """Return what the export came from; without ``base``, since it needs none."""
    return {
        "labels": loaded.labels,
        "dtype": DTYPE,
        "exported_from": {
            "model": weights.name,
            "sha256": sha256_of_tree(weights.adapter),
            "provenance": read_provenance(weights.adapter) or None,
        },
    }


def _logits_of(folder: Path, prompts: int) -> dict[str, torch.Tensor]:
    """Return the logits that a process of its own computes with the stored model.

    By what it computes in: what the recipe does, and bfloat16.
    """
    out = folder / "logits.partial"
    command = [sys.executable, "-m", "tools.export.reload", str(folder), str(prompts), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise VerdictError(f"the stored model does not load in another process: {last}")
    logits = load_file(out)
    out.unlink()
    return logits
