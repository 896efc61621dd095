"""What a training run leaves: the adapter and its metrics, and a record with the trackers."""

import hashlib
import os
import platform
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console
from transformers import ProcessorMixin

from verdict.core.files import sha256_of_tree, write_csv, write_json
from verdict.core.processes import is_main
from verdict.models.adapter import save_adapter
from verdict.models.preflight import Preflight
from verdict.models.train import Training
from verdict.models.watch import peak_memory
from verdict.params import Tracking
from verdict.tracking.run import Run, project_tags, start_run


def publish(
    training: Training,
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


class RunRecord:
    """Shows and saves the pre-flight, and tells the trackers what happens.

    A tracker never decides about a run: whatever goes wrong there is told and survived
    (:mod:`verdict.tracking`).
    """

    def __init__(self, tracking: Tracking, metrics: Path, origin: dict[str, Any], name: str):
        self._tracking, self._metrics, self._origin = tracking, metrics, origin
        self._name = name
        self._run: Run | None = None
        self._started = time.monotonic()
        self._last: dict[str, float] = {}

    def __enter__(self) -> Self:
        if is_main():
            base = self._origin["base"]
            self._run = start_run(
                self._tracking.trackers,
                self._tracking.experiment,
                name=self._name,
                parameters=self._origin["parameters"],
                tags={
                    **project_tags(),
                    "base.name": base["name"],
                    "base.revision": str(base["revision"]),
                    "base.sha256": base["sha256"],
                    **{
                        f"data.{name}": value
                        for name, value in self._origin["training_data"].items()
                    },
                },
            )
        return self

    def preflight(self, checks: Preflight) -> None:
        if is_main():
            Console(stderr=True).print(checks.table())
            write_json(self._metrics / "preflight.json", checks.as_json())

    def point(self, step: int, values: dict[str, float]) -> None:
        if self._run is not None:
            self._last |= values
            self._run.log(step, values)

    def trained(self, adapter: Path, base: Path) -> None:
        """Record the published adapter; evaluations find this run by the adapter's hash."""
        self._write_environment()
        assert self._run is not None
        self._run.set_tags({"adapter.sha256": sha256_of_tree(adapter)})
        plots = self._metrics / "plots"
        self._run.log_figures(
            [self._metrics / "preflight.json", plots / "loss.csv", plots / "eval_loss.csv"]
        )
        self._run.log_adapter(adapter, base)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is not None:
            self._run.finish(failed=kind is not None)

    def _write_environment(self) -> None:
        """Write what differs from run to run; no stage's output, and ignored by git."""
        gpu = torch.cuda.is_available()
        write_json(
            self._metrics / "environment.json",
            {
                "train_seconds": round(time.monotonic() - self._started, 1),
                "samples_per_second": round(self._last.get("samples_per_second", 0.0), 2),
                "peak_memory_gb": round(peak_memory(torch.device("cuda" if gpu else "cpu")), 3),
                "python": platform.python_version(),
                "machine": platform.machine(),
                "cores": os.cpu_count(),
                "gpu": torch.cuda.get_device_name() if gpu else None,
                "versions": self._origin["versions"],
            },
        )


def _write_curve(
    path: Path, points: list[dict[str, float]], header: tuple[str, ...] | None = None
) -> None:
    write_csv(path, header or tuple(points[0]), [tuple(point.values()) for point in points])


def _sha256_of_lines(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
