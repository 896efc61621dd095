"""Is training byte-identical when it is repeated, and when it is killed and resumed?

``make bench name=resume`` trains the embedded recipe, shortened, in a fresh copy of the project:
as LoRA, as QLoRA and as a classifier; each once without interruption, then killed (``kill -9``) in
the middle of an epoch and right after an epoch's end, and resumed by ``dvc repro``. Every file of
the adapter (its provenance holds the hash of all consumed rows, in order), the loss curve and the
metrics are compared byte by byte.
"""

import signal
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.parts.table import Figure, conclude
from testing.interruption import SHORT, copy_project, edit, interrupt, repro, results

KINDS: dict[str, dict[str, Any]] = {
    "LoRA": {"quantization.load_in_4bit": False},
    "QLoRA": {"quantization.load_in_4bit": True},
    "classifier": {"model.task": "classify", "quantization.load_in_4bit": True},
}
#: When to save, and after which checkpoint to kill: an epoch has eleven steps.
MOMENTS: dict[str, tuple[dict[str, Any], int]] = {
    "mid-epoch": ({"train.save_strategy": "steps", "train.save_steps": 7}, 14),
    "epoch's end": ({"train.save_strategy": "epoch", "train.save_steps": 7}, 22),
}


def main() -> None:
    repeated, resumed = [], []
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        edit(project, SHORT)
        repro(project, "format", "fetch_model@base")
        for kind, settings in KINDS.items():
            for moment, (saving, step) in MOMENTS.items():
                edit(project, {**settings, **saving})
                repro(project, "train")
                expected = results(project)
                if moment == "mid-epoch" and kind != "classifier":
                    repro(project, "train")
                    repeated.append(results(project) == expected)
                    print(f"{kind}, repeated: {_verdict(repeated[-1])}")
                interrupt(project, step, signal.SIGKILL)
                said = repro(project, "train")
                continued = f"checkpoint-{step}" in said and "resuming from" in said
                resumed.append(continued and results(project) == expected)
                print(f"{kind}, killed at {moment} and resumed: {_verdict(resumed[-1])}")
    conclude(
        "training repeated, and killed and resumed",
        [
            Figure("repeated runs, byte-identical", sum(repeated), "of 2", "=", 2),
            Figure("killed and resumed runs, byte-identical", sum(resumed), "of 6", "=", 6),
        ],
    )


def _verdict(equal: bool) -> str:
    return "byte-identical" if equal else "DIFFERENT"


if __name__ == "__main__":
    main()
