"""Record how the models did, in the run that trained the adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verdict.core.files import sha256_of_tree
from verdict.params import Tracking
from verdict.tracking.run import resume_run
from verdict.tracking.throughput import throughput_of


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
