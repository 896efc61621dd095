"""What the stages tell the trackers: a training as it runs, how quickly a model answered, the end.

None of it is a stage's output, since no two runs agree on it.
"""

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from verdict.core.files import sha256_of, sha256_of_tree, write_json
from verdict.core.project import project_root
from verdict.params import Tracking
from verdict.runtime.processes import is_main
from verdict.tracking.run import Run, project_tags, resume_run, start_run

#: How quickly the models answered; in the project's folder, not in git.
THROUGHPUT = Path(".tracking/throughput")


class RunRecord:
    """Tells the trackers what happens in a training run.

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
        import torch

        from verdict.runtime.failures import peak_memory

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


def keep_throughput(predictions: Path, records_per_second: float) -> None:
    """Keep, for the trackers, how quickly the records of a file of predictions were answered."""
    path = _path(predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"records_per_second": records_per_second})


def record_evaluation(
    tracking: Tracking, adapter: Path, values: Mapping[str, Any], report: Path, predictions: Path
) -> None:
    """Record every number of ``values`` and the files of ``report`` with the trackers.

    How quickly each model answered is recorded, too, where its ``predictions`` were made here. The
    run is found by the adapter's hash, wherever it was trained. Without an adapter here (only
    predictions were pulled) there is no run to add to, and nothing is recorded.
    """
    if not adapter.is_dir():
        return
    tag = ("adapter.sha256", sha256_of_tree(adapter))
    with resume_run(tracking.trackers, tracking.experiment, tag=tag, name="evaluate") as run:
        run.log_metrics(
            {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        )
        for model in values["models"]:
            rate = throughput_of(predictions / f"{model}.parquet")
            if rate is not None:
                run.log_metrics({f"{model}.records_per_second": rate})
        run.set_tags({"verdict": str(values["verdict"])})
        run.log_figures(sorted(path for path in report.iterdir() if path.is_file()))


def throughput_of(predictions: Path) -> float | None:
    """Return the records a second; None where these predictions were not made on this machine."""
    try:
        return json.loads(_path(predictions).read_text("utf-8"))["records_per_second"]
    except FileNotFoundError:
        return None


def _path(predictions: Path) -> Path:
    return project_root() / THROUGHPUT / f"{sha256_of(predictions)}.json"
